"""The list of runs: open one, mark others to compare it with, stop one that is live."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Resize
from textual.message import Message
from textual.screen import Screen
from textual.widgets import DataTable, Static

from engine.errors import UserError
from engine.remote.client import stop_run
from engine.runs.listing import RunSummary, list_runs
from tui.rendering.runs_table import COLUMNS, cells, head, heading, widths
from tui.rendering.text import visible_text
from tui.screens.dialogs import StopDialog
from tui.screens.help import HelpScreen
from tui.screens.in_thread import in_thread
from tui.widgets.keybar import KeyBar

SECONDS_BETWEEN_LOOKS = 1.0  # at the directory
HELP = """\
## Runs

One row for each run, the newest first; the list is renewed once a second. *loss* is the training loss of the last
report, *best* the lowest validation loss, both in nats per character. *age* is the time since the run began.

A run that is *live* or *paused* trains in another process: you watch it there, and leaving it does not stop it. A run
that has ended is opened as it was saved. *crashed* means that its process ended without saying why, for example
because it was killed. A *damaged* run, or one of a *newer* version, cannot be opened: its row says why.

**Compare**: `c` marks a run (◆). The curves of all marked runs are drawn over those of the run that you open.

# Keys

The arrows move the cursor. `ctrl+p` finds any key by its name.
"""


class RunsTable(DataTable[Text]):
    """A table of runs; enter opens the one under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select_cursor", "open", tooltip="Open this run, or watch it if it is live", id="runs.open")
    ]


class RunsScreen(Screen[None]):
    """Lists the runs in `directory`, and reads it again once a second. `Chosen` asks the app to open a run."""

    class Chosen(Message):
        """The user opened the run in `path`; the runs in `beside` are marked for comparison."""

        def __init__(self, path: Path, beside: tuple[Path, ...]) -> None:
            self.path, self.beside = path, beside
            super().__init__()

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "mark", "compare", tooltip="Draw this run's curves over the run you open", id="runs.mark"),
        Binding("x", "stop", "stop", tooltip="Save this live run and stop it", id="runs.stop"),
        Binding("question_mark", "help", "help", tooltip="Help: keys, and how to read the list", id="runs.help"),
        Binding("q", "app.quit", "quit", tooltip="Leave the program", id="app.quit"),
    ]

    def __init__(self, directory: Path, at: Path | None, marked: Sequence[Path]) -> None:
        super().__init__()
        self.marked: list[Path] = list(marked)
        self._directory, self._at = directory, at
        self._runs: dict[str, RunSummary] = {}
        self._shown: dict[str, list[Text]] = {}
        self._head, self._empty = Static(id="runs-head"), Static(id="runs-empty")
        self._table = RunsTable(cursor_type="row", cell_padding=0, cursor_foreground_priority="renderable")

    def compose(self) -> ComposeResult:
        yield self._head
        yield self._empty
        yield self._table
        yield KeyBar()

    def on_mount(self) -> None:
        self._table.focus()
        self.watch(self.app, "theme", self._draw_afresh, init=False)
        self.run_worker(self._keep_looking())

    async def _keep_looking(self) -> None:
        while True:
            self._show(await in_thread(partial(list_runs, self._directory)))
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)

    # --- drawing ---------------------------------------------------------------------------

    @property
    def current(self) -> RunSummary | None:
        """The run under the cursor."""
        keys = list(self._shown)
        row = self._table.cursor_row
        return self._runs[keys[row]] if 0 <= row < len(keys) else None  # -1 after ↑ in a table that is still empty

    def _show(self, runs: Sequence[RunSummary]) -> None:
        at = self._at or (self.current.path if self.current else None)
        self._runs = {str(run.path): run for run in runs}
        self.marked = [path for path in self.marked if str(path) in self._runs]
        self._head.update(head(runs, self._directory, len(self.marked), self.size.width))
        self._empty.update(Content(f"No runs in {visible_text(str(self._directory))}. `charrnn-tui train` begins one."))
        self._empty.display, self._table.display = not runs, bool(runs)
        wide = widths(self.size.width)
        theme = self.app.current_theme
        drawn = {key: cells(run, wide, run.path in self.marked, theme) for key, run in self._runs.items()}
        if list(drawn) == list(self._shown):
            self._update(drawn)
        elif drawn:
            self._fill(drawn, at)
        self._shown = drawn
        self._at = None
        self.refresh_bindings()

    def _update(self, drawn: dict[str, list[Text]]) -> None:
        for key, row in drawn.items():
            for column, new, old in zip(COLUMNS, row, self._shown[key], strict=True):
                if new != old:
                    self._table.update_cell(key, column, new)

    def _fill(self, drawn: dict[str, list[Text]], at: Path | None) -> None:
        """Write all rows anew. The cursor stays on the run `at`, or in its row if that run is gone."""
        row = self._table.cursor_row
        with self.app.batch_update():
            self._table.clear(columns=True)
            for column, width in widths(self.size.width).items():
                self._table.add_column(heading(column, width), key=column, width=width)
            for key, values in drawn.items():
                self._table.add_row(*values, key=key)
            places = [place for place, key in enumerate(drawn) if key == str(at)]
            self._table.move_cursor(row=places[0] if places else min(max(row, 0), len(drawn) - 1))

    def _draw_afresh(self) -> None:
        at = self.current
        self._at = at.path if at else self._at
        runs = list(self._runs.values())
        self._shown = {}
        self._show(runs)

    def on_resize(self, event: Resize) -> None:
        if self._runs:
            self._draw_afresh()

    def on_data_table_row_highlighted(self) -> None:
        self.refresh_bindings()

    # --- keys ------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "stop":
            return self.current is not None and self.current.pid is not None
        return self.current is not None if action == "mark" else True

    def on_data_table_row_selected(self) -> None:
        run = self.current
        if run is not None:
            self.post_message(self.Chosen(run.path, tuple(path for path in self.marked if path != run.path)))

    def action_mark(self) -> None:
        run = self.current
        if run is None:
            return
        if run.path in self.marked:
            self.marked.remove(run.path)
        else:
            self.marked.append(run.path)
        self._show(list(self._runs.values()))

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen([(HELP, [*RunsTable.BINDINGS, *self.BINDINGS])]))

    def action_stop(self) -> None:
        run = self.current
        if run is None:
            return

        def obey(answer: str | None) -> None:
            if answer == "stop":
                self._stop(run)

        self.app.push_screen(StopDialog(run.name), obey)

    @work
    async def _stop(self, run: RunSummary) -> None:
        try:
            await in_thread(partial(stop_run, run.path))
        except UserError as error:
            self.notify(str(error), severity="error", markup=False)
        else:
            self.notify(f"{run.name} was asked to save and stop", markup=False)
