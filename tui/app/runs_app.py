"""`charrnn-tui runs` on a terminal: the list of runs, and the dashboard of the one that is opened from it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar, cast

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from engine.errors import UserError
from engine.remote.client import open_link
from engine.runs.reader import RunReader
from engine.session.messages import History, Link
from tui.app.app import CharrnnApp
from tui.app.foreground import Foreground
from tui.app.palette_commands import commands
from tui.app.themes import DARK, LIGHT
from tui.panes.loss import LossPane
from tui.screens.dashboard import Dashboard
from tui.screens.in_thread import in_thread
from tui.screens.runs import RunsScreen
from tui.terminal import driver as terminal


@dataclass(frozen=True)
class Opened:
    """A run that was chosen from the list, and the names and curves of others to be laid over its own."""

    path: Path
    link: Link
    others: dict[str, History]


class RunsApp(App[Opened]):
    """The runs in `directory`; ends with the one that is to be opened, or with None.

    The cursor begins `at` a run, with some `marked`.
    """

    TITLE = "charrnn-tui"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c,ctrl+q", "quit", "quit", show=False, priority=True, id="app.leave"),
        Binding("ctrl+z", "suspend_process", "suspend", show=False, id="app.suspend"),
    ]

    def __init__(self, directory: Path, *, at: Path | None = None, marked: Sequence[Path] = ()) -> None:
        super().__init__(driver_class=terminal.Driver)
        for theme in (DARK, LIGHT):
            self.register_theme(theme)
        self.theme = DARK.name
        self.list = RunsScreen(directory, at, marked)
        self._opening = False

    def get_default_screen(self) -> Screen[None]:
        """The list is all there is."""
        return self.list

    def on_mount(self) -> None:
        """End with the terminal."""
        terminal.on_signal(self, self.exit)
        self.set_interval(1.0, self._mind_the_terminal)

    def _mind_the_terminal(self) -> None:
        if terminal.is_gone(self):
            self.exit()
        if terminal.was_lost(self):
            self.screen.refresh(layout=True)

    async def on_runs_screen_chosen(self, message: RunsScreen.Chosen) -> None:
        """Reach the run, and leave the list with it. Where that fails, the list stays and says why."""
        if self._opening:
            return
        self._opening = True
        self.run_worker(self._open(message.path, message.beside))

    async def _open(self, path: Path, beside: tuple[Path, ...]) -> None:
        try:
            opened = await in_thread(partial(open_run, path, beside))
        except UserError as error:
            self.notify(str(error), severity="error", markup=False)
        else:
            self.exit(opened)
        finally:
            self._opening = False

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Whatever the keys do now, and the theme."""
        return commands(self, screen)


class Visit(CharrnnApp):
    """The dashboard of a run from the list. `sent_away`: not a key, but a signal or a lost terminal ended it."""

    sent_away = False

    def end_at_once(self) -> None:
        """A signal came, or the terminal went."""
        self.sent_away = True
        super().end_at_once()


def browse(directory: Path) -> int:
    """Show the list, and the run that is opened, and the list again; the exit code."""
    runs = RunsApp(directory)
    while (opened := runs.run()) is not None:
        current = Foreground()  # for a run that has ended and goes on here
        lay = partial(lay_over, opened.others)
        visit = Visit(opened.link, detach=current.hand_over, resume=current.take_up, ready=lay)
        try:
            code = visit.run_until_left()
        finally:
            current.end()
        if visit.sent_away:
            return code
        runs = RunsApp(directory, at=opened.path, marked=runs.list.marked)
    terminal.finish(runs)
    return runs.return_code or 0


def open_run(path: Path, beside: Iterable[Path]) -> Opened:
    """Reach the run in `path`, and read the curves of those beside it. `UserError` where it cannot be reached."""
    others = {}
    for other in beside:
        with contextlib.suppress(UserError):  # one that has gone meanwhile is not missed
            others[other.name] = RunReader(other).history().history()
    return Opened(path, open_link(path), others)


def lay_over(others: dict[str, History], dashboard: Dashboard) -> None:
    """Lay the smoothed losses of other runs over the curves of the one on the dashboard, and enlarge them."""
    if not others:
        return
    dashboard.action_zoom()
    pane = cast(LossPane, dashboard.panes["loss"])
    for name, history in others.items():
        pane.overlay(name, history.step.tolist(), history.smoothed.tolist())
