"""`charrnn-tui sweep` on a terminal: the screen of a sweep, and the dashboard of a run opened from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar, NamedTuple

from textual.binding import BindingType
from textual.pilot import Pilot
from textual.screen import Screen
from textual.strip import Strip

from engine.errors import UserError
from engine.remote.client import open_link
from engine.session.messages import Link
from tui.app.app import CharrnnApp
from tui.app.memory import place
from tui.app.opening import OpeningApp
from tui.app.switching import SECONDS_TO_READ
from tui.panes import keys
from tui.screens.dialogs import QuitSweepDialog
from tui.screens.sweep import SweepScreen
from tui.terminal import driver as terminal
from tui.terminal.frame import lines_on_screen

PICTURE = (132, 31)  # columns and rows of the screen as a picture
POLL_SECONDS = 0.02  # between two looks whether all of it is drawn


class SweepApp(OpeningApp[Link]):
    """Shows `screen`. `run()` returns the link to a run that is to be opened, or None if the user leaves.

    `ends_with_it` says whether the sweep ends with this program: then it asks before it leaves one that goes on, and
    `detaches` says whether it is to go on in the background. The screen ends once the sweep `has_failed`. `remark` is
    what the user should know at its beginning.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*keys.SWEEP_PROGRAM]

    def __init__(
        self,
        screen: SweepScreen,
        ends_with_it: Callable[[], bool] = lambda: False,
        has_failed: Callable[[], bool] = lambda: False,
        remark: str = "",
    ) -> None:
        super().__init__()
        self.sweep = screen
        self.detaches = False
        self._ends_with_it, self._has_failed = ends_with_it, has_failed
        self._remark = remark

    def on_mount(self) -> None:
        if self._remark:
            self.notify(self._remark, severity="warning", timeout=SECONDS_TO_READ)

    def get_default_screen(self) -> Screen[None]:
        return self.sweep

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._ends_with_it() if action == "detach" else True

    async def action_quit(self) -> None:
        if not self._ends_with_it():
            self.exit()
        elif not isinstance(self.screen, QuitSweepDialog):
            self.push_screen(QuitSweepDialog(), self._leave)

    def _leave(self, answer: str | None) -> None:
        self.detaches = answer == "detach"
        if answer in ("save", "detach"):
            self.exit()

    def action_detach(self) -> None:
        self._leave("detach")

    def check_terminal(self) -> None:
        super().check_terminal()
        if self._has_failed():
            self.end_at_once()

    def on_sweep_screen_chosen(self, message: SweepScreen.Chosen) -> None:
        self.open(partial(open_link, message.path))


class Left(NamedTuple):
    """How the user left a sweep: the exit code, whether it is to go on in the background, whether a signal came."""

    code: int
    detaches: bool
    interrupted: bool


def watch_sweep(
    path: Path,
    ends_with_it: Callable[[], bool] = lambda: False,
    has_failed: Callable[[], bool] = lambda: False,
    remark: str = "",
) -> Left:
    """Show the sweep in `path`, the dashboard of a run opened from it, the sweep again, until the user leaves.

    The sweep itself is left as it is; `ends_with_it` says whether it will end with this program, and `has_failed`
    whether it can go on no more: then the screen ends. `remark` is what the user should know at its beginning.
    """
    screen = SweepScreen(path)
    while True:
        app = SweepApp(screen, ends_with_it, has_failed, remark)
        app.use_memory(place())
        link = app.run()
        remark = ""
        if link is None:
            terminal.finish(app)
            return Left(app.return_code or 0, app.detaches, app.interrupted)
        at = Path(link.info.directory)
        dashboard = CharrnnApp(link, has_list=True)
        dashboard.use_memory(place())
        code = dashboard.run_until_left()
        if dashboard.interrupted:
            return Left(code, detaches=False, interrupted=True)
        screen = SweepScreen(path, at=at, expression=screen.expression, by=screen.by, group=screen.group)


def picture(path: Path) -> list[Strip]:
    """The lines of the screen of the sweep in `path`, without its keys, once all curves are drawn; without a terminal.

    Raises `UserError` if there is no sweep, or `sweep.json` is damaged.
    """
    lines: list[Strip] = []
    app = SweepApp(SweepScreen(path))

    async def shoot(pilot: Pilot[object]) -> None:
        app.sweep.table.show_cursor = False  # in a picture no run is the chosen one
        while not app.sweep.is_whole and not app.sweep.problem:
            await asyncio.sleep(POLL_SECONDS)
        await pilot.pause()
        lines.extend(lines_on_screen(app)[:-1])
        app.exit()

    app.run(headless=True, size=PICTURE, auto_pilot=shoot)
    if app.sweep.problem:
        raise UserError(app.sweep.problem)
    return lines
