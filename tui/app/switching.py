"""How the dashboard goes from one run to another, or to the same run in another process.

What is on the screen ends only once the next run is open. If that fails, it goes on as it was.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from textual import work
from textual.timer import Timer

from engine.config import Config
from engine.errors import UserError
from engine.printable import printable
from engine.remote.archive import ArchiveLink
from engine.session.messages import Link, Pause, Resume, View
from tui.app.base_app import BaseApp
from tui.app.viewer import Viewer
from tui.screens.dashboard import Dashboard
from tui.screens.in_thread import in_thread

SECONDS_TO_READ = 10.0  # for which a notice stays
OPENING = "a run is being opened"
MOVING = "the run is moving into a process of its own"


class SwitchingApp(BaseApp[None]):
    """An app with a `viewer` of one run and a `dashboard` that shows it.

    `start` begins a new run, `detach` moves the present one, `resume` goes on with one that has ended: see
    `CharrnnApp`.
    """

    dashboard: Dashboard
    _eager_timer: Timer

    def __init__(
        self,
        viewer: Viewer,
        start: Callable[[Config], Link] | None,
        detach: Callable[[], Link] | None,
        resume: Callable[[Path], Link] | None,
    ) -> None:
        super().__init__()
        self.viewer = viewer
        self._start_run, self._detach_run, self._resume_run = start, detach, resume
        self._change = ""  # what is going on while a run is opened or moved
        self._named = viewer.link.info  # what the header says

    @property
    def is_teaching(self) -> bool:
        """Whether a lesson says what to look at."""
        return False

    @property
    def is_changing(self) -> bool:
        """Whether a run is being opened or moved. Only one can be at a time."""
        return bool(self._change)

    def say(self, sentence: str) -> None:
        """Show a sentence for some seconds. Any thread may call this, and goes on at once."""
        with contextlib.suppress(RuntimeError):  # the screen has just been left
            self.call_later(self.notify, printable(sentence), timeout=SECONDS_TO_READ)

    @contextlib.contextmanager
    def _changing(self, what: str) -> Iterator[None]:
        """Mark a `with` block in which a run is opened or moved."""
        self._change = what
        self.dashboard.refresh_bindings()
        try:
            yield
        finally:
            self._change = ""
            self.dashboard.refresh_bindings()  # the app itself may be ending, and have no screen

    def _put_on_screen(self, link: Link) -> None:
        view = View(visible=self.dashboard.visible_instruments, prompt=link.info.prompt)
        self.viewer = Viewer(link, view)
        self._named = link.info
        self.dashboard.begin(link.info, is_remote=link.is_remote)
        self._eager_timer.resume()

    def _name_run(self) -> None:
        """Correct the header, if another process has the run now."""
        link = self.viewer.link
        if (link.info.name, link.info.detached) != (self._named.name, self._named.detached):
            self._named = link.info
            self.dashboard.rename(link.info, is_remote=link.is_remote)

    @work
    async def look_into_files(self) -> None:
        """Go on with the files of the run on the screen, which another viewer has stopped: it answers no more."""
        before = self.viewer
        with contextlib.suppress(UserError):
            link = await in_thread(partial(ArchiveLink, Path(before.link.info.directory), past=False))
            if self.viewer is not before or self.is_changing:
                link.close()
                return
            for event in before.link.events():
                self.dashboard.hear(event)
            self.viewer = Viewer(link, before.view)
            self._named = link.info
            self.dashboard.rename(link.info, is_remote=link.is_remote)
            before.link.close()

    async def begin_run(self, config: Config) -> None:
        """Begin a run, and end the one on the screen. If `UserError` refuses it, the one on the screen goes on."""
        assert self._start_run is not None
        if self.is_changing:
            raise UserError(f"{self._change}; try again in a moment")
        before = self.viewer
        pause = before.is_training and not before.link.is_remote
        with self._changing(OPENING):
            if pause:
                before.send(Pause())  # otherwise each would slow the other while its speed is measured
            try:
                link = await in_thread(partial(self._start_run, config))
            except BaseException:
                if pause:
                    before.send(Resume())
                raise
            self._put_on_screen(link)
        await in_thread(partial(before.leave, save=True))

    @work
    async def action_go_on(self) -> None:
        """Go on with the run on the screen, which has ended."""
        if self._resume_run is None or self.is_changing:
            return
        before = self.viewer
        with self._changing(OPENING):
            self.dashboard.say_state("opening")
            try:
                link = await in_thread(partial(self._resume_run, Path(before.link.info.directory)))
            except UserError as error:
                self.notify(str(error), severity="error")
                self.dashboard.show_again()
                return
            self._put_on_screen(link)
        await in_thread(before.link.close)

    @property
    def _can_detach(self) -> bool:
        return (
            self._detach_run is not None
            and not self.is_changing
            and not self.viewer.is_over
            and not self.viewer.link.is_remote
        )

    @work
    async def action_detach(self) -> None:
        """Move the run into a process of its own, and watch it from here."""
        if await self._hand_over():
            self.notify("The run goes on even when this screen is closed")

    async def _hand_over(self) -> bool:
        """Move the run into a process of its own; returns whether that worked. If not, it goes on here."""
        if self._detach_run is None or self.is_changing:
            return False
        with self._changing(MOVING):
            self.dashboard.say_state("detaching")
            try:
                link = await in_thread(self._detach_run)
            except UserError as error:
                self.notify(f"Not detached: {error}", severity="error", timeout=SECONDS_TO_READ)
                self.dashboard.show_again()
                return False
            for event in self.viewer.link.events():  # the new link has only what happens from now on
                self.dashboard.hear(event)
            self.viewer = Viewer(link, self.viewer.view)
            self._named = link.info
            self.dashboard.rename(link.info, is_remote=link.is_remote)
            self._eager_timer.resume()
        return link.is_remote
