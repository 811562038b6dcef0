"""Between a run and the dashboard: snapshots and events go one way, commands the other, and runs come and go."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from textual.events import Print
from textual.screen import ModalScreen, Screen

from engine.config import Config
from engine.errors import UserError
from engine.session.messages import Command, Event, Link, Notice, Pause, Resume, Saved, View
from tui.app.base_app import BaseApp
from tui.app.pace import Pace
from tui.app.viewer import Viewer
from tui.panes.pane import CommandRequested, ViewChanged
from tui.screens.dashboard import Dashboard
from tui.screens.in_thread import in_thread
from tui.terminal import driver as terminal

EAGER = 0.025  # seconds between two looks into the mailbox while an answer is awaited


class WatchingApp(BaseApp[None]):
    """Shows the run at the other end of `link`.

    `start` opens a new run; `detach` makes the run on the screen one that goes on without it; `resume` has the run in a
    directory, which has ended, go on in this process. All three may raise `UserError`, and where they are None, the
    keys for them are not offered. `fps` bounds the redraws per second. `ready` is called with the dashboard when that
    is on the screen.
    """

    def __init__(
        self,
        link: Link,
        start: Callable[[Config], Link] | None = None,
        *,
        detach: Callable[[], Link] | None = None,
        resume: Callable[[Path], Link] | None = None,
        fps: float = 4.0,
        ready: Callable[[Dashboard], object] | None = None,
    ) -> None:
        super().__init__()
        self.viewer = Viewer(link, View())
        self._start_run = start
        self._detach_run = detach
        self._resume_run = resume
        self._fps = fps
        self._when_ready = ready
        self._ending = False

    def run_until_left(self) -> int:
        """Run the program; its exit code. Whatever ends it, the run is saved."""
        terminal.hold_signals()
        try:
            self.run()
        finally:
            terminal.hold_signals()
            if not self._ending:
                self.viewer.leave(save=True)
        terminal.finish(self)
        return self.return_code or 0

    def get_default_screen(self) -> Screen[None]:
        """The dashboard is all there is at first."""
        self.dashboard = Dashboard()
        return self.dashboard

    def on_mount(self) -> None:
        """Look into the mailbox several times a second from now on."""
        self.begin_capture_print(self)
        self.dashboard.begin(self.viewer.link.info)
        if self._when_ready is not None:
            self.call_after_refresh(self._when_ready, self.dashboard)
        self._pace = Pace()
        self._timer = self.set_interval(1 / self._fps, self._poll_if_due)
        self._eager_timer = self.set_interval(EAGER, self._poll)
        terminal.on_signal(self, self.end_at_once)

    def on_print(self, event: Print) -> None:
        """Write printed text, mostly warnings, into a file beside the run instead of onto the screen."""
        try:
            with Path(self.viewer.link.info.directory, "screen.log").open("a", encoding="utf-8") as log:
                log.write(event.text)
        except OSError:
            pass  # there is nowhere left to say so

    # --- the run ---------------------------------------------------------------------------

    def put_on_screen(self, link: Link) -> None:
        """Show another run. The caller decides what happens to the one before."""
        self.viewer = Viewer(link, View(visible=self.dashboard.visible_instruments))
        self.dashboard.begin(link.info)
        self._eager_timer.resume()

    def send(self, command: Command) -> int:
        """Send a command, and look for the answer soon; the command's number."""
        number = self.viewer.send(command)
        self._eager_timer.resume()
        return number

    def on_command_requested(self, message: CommandRequested) -> None:
        """Pass a command on, and let the pane know its number."""
        message.number = self.send(message.command)

    def on_view_changed(self, message: ViewChanged) -> None:
        """Ask for the view that a pane wants."""
        self.viewer.change_view(**message.changes)
        self._eager_timer.resume()

    def _poll_if_due(self) -> None:
        if self._pace.allows_a_frame():
            self._poll()

    def _poll(self) -> None:
        if not self.is_running:  # the timer may ring once more while the screens are put away
            return
        if terminal.is_gone(self):
            self.end_at_once()
        if terminal.was_lost(self):
            self.action_paint_again()
        for event in self.viewer.events():
            self.dashboard.hear(event)
            self._announce(event)
        beneath = isinstance(self.screen, ModalScreen)
        if (beneath or self.screen is self.dashboard) and not terminal.is_behind(self):
            snapshot = self.viewer.take()
            if snapshot is not None:
                self.dashboard.show(snapshot, beneath=beneath)
        if not self.viewer.is_waiting:
            self._eager_timer.pause()

    def _announce(self, event: Event) -> None:
        match event:
            case Notice(text, severity):
                self.notify(text, severity=severity, markup=False)
            case Saved(path=path, why="asked"):
                self.notify(f"Saved to {path}", markup=False)

    # --- another run, or the same one elsewhere -----------------------------------------------

    async def begin_run(self, config: Config) -> None:
        """Start a run and end the one before. Where that is refused, the one before goes on."""
        assert self._start_run is not None
        before = self.viewer
        pause = before.is_training and not before.link.info.detached
        if pause:
            before.send(Pause())  # two at once would measure each other
        try:
            link = await in_thread(partial(self._start_run, config))
        except UserError:
            if pause:
                before.send(Resume())
            raise
        self.put_on_screen(link)
        await in_thread(partial(before.leave, save=True))

    @property
    def can_begin(self) -> bool:
        """Whether there is a way to a new run."""
        return self._start_run is not None

    @property
    def can_go_on(self) -> bool:
        """Whether the run has ended and there is a way to go on with it."""
        return self._resume_run is not None and self.viewer.is_over

    async def go_on(self) -> None:
        """Go on with the run, which has ended."""
        resume, self._resume_run = self._resume_run, None  # not twice at once
        assert resume is not None
        before = self.viewer
        try:
            link = await in_thread(partial(resume, Path(before.link.info.directory)))
        except UserError as error:
            self.notify(str(error), severity="error", markup=False)
            return
        finally:
            self._resume_run = resume
        self.put_on_screen(link)
        await in_thread(before.link.close)

    @property
    def can_detach(self) -> bool:
        """Whether the run could go on by itself, and does not yet."""
        return self._detach_run is not None and not self.viewer.is_over and not self.viewer.link.info.detached

    async def hand_over(self) -> bool:
        """Have the run go on by itself; whether it does."""
        detach, self._detach_run = self._detach_run, None  # not twice at once
        assert detach is not None
        self._timer.pause()  # the end of the run in this process is not to be seen
        self._eager_timer.pause()
        try:
            link = await in_thread(detach)
        except UserError as error:
            self.notify(str(error), severity="error", markup=False)
            return False
        finally:
            self._detach_run = detach
            self._timer.resume()
        self.viewer = Viewer(link, self.viewer.view)
        self.dashboard.rename(link.info)
        return True

    # --- the end ---------------------------------------------------------------------------

    def end_at_once(self) -> None:
        """A signal came, or the terminal went: save and leave, without asking."""
        self.end(save=True)

    def end(self, *, save: bool, stop: bool | None = None) -> None:
        """Leave the run, as `Viewer.leave` says, and the program."""
        if not self._ending:
            self._ending = True
            self._timer.stop()
            self._eager_timer.stop()
            self.run_worker(self._end(partial(self.viewer.leave, save=save, stop=stop)))

    async def _end(self, leave: Callable[[], None]) -> None:
        await in_thread(leave)
        self.exit(return_code=0)
