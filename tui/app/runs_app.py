"""`charrnn-tui runs` on a terminal: the list of runs, and the dashboard of the run opened from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from textual.screen import Screen

from engine.remote.client import open_link
from engine.session.messages import Link
from engine.sweep.study import is_sweep
from tui.app.app import CharrnnApp
from tui.app.foreground import Foreground
from tui.app.memory import place
from tui.app.opening import OpeningApp
from tui.app.other_runs import lay_over, named
from tui.app.sweep_app import watch_sweep
from tui.screens.runs import RunsScreen
from tui.terminal import driver as terminal


@dataclass(frozen=True)
class Opened:
    """A run opened from the list, and the marked runs by name, whose curves are drawn over its own."""

    path: Path
    link: Link
    others: dict[str, Path]


class RunsApp(OpeningApp[Opened | Path]):
    """Lists the runs in `directory`. `run()` returns the run or the sweep to open, or None if the user leaves.

    The cursor begins on the run `at`; the runs in `marked` begin marked for comparison. `expression` says which runs
    are shown (`engine.runs.table.parse_filter`), `by` in which order (`in_order`).
    """

    def __init__(
        self,
        directory: Path,
        *,
        at: Path | None = None,
        marked: Sequence[Path] = (),
        expression: str = "",
        by: str = "",
    ) -> None:
        super().__init__()
        self.list = RunsScreen(directory, at, marked, expression=expression, by=by)

    def get_default_screen(self) -> Screen[None]:
        return self.list

    def on_runs_screen_chosen(self, message: RunsScreen.Chosen) -> None:
        """Leave with the sweep, or with the run once it is open."""
        if is_sweep(message.path):
            self.exit(message.path)
        else:
            self.open(partial(open_run, message.path, message.beside))


def browse(directory: Path, *, expression: str = "", by: str = "") -> int:
    """Show the list, the dashboard of a run opened from it, the list again, until the user leaves; the exit code."""
    runs = RunsApp(directory, expression=expression, by=by)
    runs.use_memory(place())
    while (opened := runs.run()) is not None:
        if isinstance(opened, Path):
            left = watch_sweep(opened)
            if left.interrupted:
                return left.code
            runs = _again(runs.list, opened)
            runs.use_memory(place())
            continue
        current = Foreground()  # for a run that has ended and is resumed here
        ready = partial(lay_over, opened.others)
        dashboard = CharrnnApp(
            opened.link, detach=current.hand_over, resume=current.take_up, ready=ready, has_list=True
        )
        dashboard.use_memory(place())
        try:
            code = dashboard.run_until_left()
        finally:
            current.end()
        if dashboard.interrupted:
            return code
        runs = _again(runs.list, opened.path)
    terminal.finish(runs)
    return runs.return_code or 0


def _again(last: RunsScreen, at: Path) -> RunsApp:
    """The list as it was left, with the cursor on what was opened from it."""
    runs = RunsApp(last.directory, at=at, marked=last.marked, expression=last.expression, by=last.by)
    runs.use_memory(place())
    return runs


def open_run(path: Path, beside: Iterable[Path]) -> Opened:
    """Connect to the run in `path`, and name the runs in `beside`.

    Raises `UserError` if the run cannot be opened.
    """
    return Opened(path, open_link(path), named(path, beside))
