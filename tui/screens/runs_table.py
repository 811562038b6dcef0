"""What the list of runs and the screen of a sweep share: a table of runs, filtered by words and sorted by a column."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import DataTable, Static

from engine.errors import UserError
from engine.runs.listing import RunSummary
from engine.runs.table import in_order, parse_filter
from engine.sweep.stop import stop
from tui.panes import keys
from tui.rendering.runs_table import SHOWN_AS, cells, heading
from tui.rendering.text import visible_text
from tui.screens.dialogs import StopDialog
from tui.screens.in_thread import in_thread
from tui.widgets.field import Field

MOST = 500  # rows: a screen has some fifty, and every row is drawn again when something changes
COLUMN_OF = {shown: name for name, shown in SHOWN_AS.items()}
UNSORTED = ("network",)  # several settings in one column

FILTER_HELP = """\
**Which runs, in which order**: `/` asks for conditions with blanks between them, such as
`cell=gru hidden>=128 best<1.6`. A condition is a column or a setting, one of `= != < <= > >=`, and a value; a word
alone is looked for in the names of run and text. There are more columns than the screen shows: *val* (the last
validation loss), *progress*, *seconds*, and every setting of `train`. `s` puts the runs into the order of the next
column, `S` turns the order round. Of a long list the first 500 runs are shown.

*reach* is how many characters back predictions depend on, *ratio* is ‖G_0‖/‖G_T−1‖ of the gradient flow recorded last,
*left* is the time until the last step.
"""


class RunsTable(DataTable[Text]):
    """A table of runs; enter opens the one under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.TABLE]


class TableScreen(Screen[None]):
    """A screen with a table of runs. `expression` says which are shown (`parse_filter`), `by` their order (`in_order`).

    Subclasses lay out `head`, `empty`, `table` and `field`, define the columns, and call `show_runs`.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*keys.LIST]

    def __init__(self, *, at: Path | None = None, expression: str = "", by: str = "") -> None:
        super().__init__()
        self.expression, self.by = expression, by
        self.marked: list[Path] = []
        self._wanted = parse_filter(expression)
        self._at = at
        self._all: list[RunSummary] = []
        self._stopping: dict[Path, int | None] = {}  # the processes of the runs that were asked to stop
        self.runs: dict[str, RunSummary] = {}  # that are shown, in their order, by their paths
        self._shown: dict[str, list[Text]] = {}
        self._columns: dict[str, int] = {}
        self.head, self.empty = Static(id="runs-head"), Static(id="runs-empty")
        self.table = RunsTable(cursor_type="row", cell_padding=0, cursor_foreground_priority="renderable")
        self.field = Field()

    @abstractmethod
    def columns(self) -> dict[str, int]:
        """The columns of the table, with their widths."""

    @abstractmethod
    def head_line(self) -> Content:
        """The line above the table."""

    @abstractmethod
    def none_line(self) -> str:
        """What is said where there are no runs at all."""

    def compose_table(self) -> ComposeResult:
        """The table, and the line in its place where it is empty."""
        yield self.empty
        yield self.table

    def on_mount(self) -> None:
        self.table.focus()
        self.watch(self.app, "theme", self._draw_afresh, init=False)

    # --- drawing ---------------------------------------------------------------------------

    @property
    def current(self) -> RunSummary | None:
        """The run under the cursor."""
        keys = list(self._shown)
        row = self.table.cursor_row
        return self.runs[keys[row]] if 0 <= row < len(keys) else None  # -1 after ↑ in a table that is still empty

    def show_runs(self, runs: Sequence[RunSummary]) -> None:
        """Show those of `runs` that are wanted, in their order."""
        at = self._at or (self.current.path if self.current else None)
        pids = {run.path: run.pid for run in runs}
        self._stopping = {
            path: pid for path, pid in self._stopping.items() if pid is not None and pids.get(path) == pid
        }
        self._all = [replace(run, state="stopping") if run.path in self._stopping else run for run in runs]
        wanted = [run for run in self._all if self._wanted.holds(run)]
        wanted = in_order(wanted, self.by) if self.by else wanted
        self.runs = {str(run.path): run for run in wanted[:MOST]}
        there = {run.path for run in runs}
        self.marked = [path for path in self.marked if path in there]
        self.head.update(self.head_line())
        unlike = f"No run is like that: {visible_text(self.expression)}. `/` changes the filter."
        self.empty.update(Content(unlike if runs else self.none_line()))
        self.empty.display, self.table.display = not self.runs, bool(self.runs)
        columns, theme = self.columns(), self.app.current_theme
        drawn = {key: cells(run, columns, run.path in self.marked, theme) for key, run in self.runs.items()}
        if drawn.keys() == self._shown.keys() and columns == self._columns:
            if list(drawn) != list(self._shown):
                self._put_in_order(drawn, at)
            self._update(drawn)
        elif drawn:
            self._columns = columns
            self._fill(drawn, at)
        self._shown = drawn
        self._at = None
        self.refresh_bindings()

    def _update(self, drawn: dict[str, list[Text]]) -> None:
        for key, row in drawn.items():
            for column, new, old in zip(self._columns, row, self._shown[key], strict=True):
                if new != old:
                    self.table.update_cell(key, column, new)

    def _put_in_order(self, drawn: dict[str, list[Text]], at: Path | None) -> None:
        """Move the rows that are there: to write hundreds anew takes the table ten times as long."""
        places = {key: place for place, key in enumerate(drawn)}
        ranks = iter([places[str(key.value)] for key in self.table.rows])  # `sort` asks for them in this order
        with self.app.batch_update():
            self.table.sort(key=lambda row: next(ranks))
            self.table.move_cursor(row=places.get(str(at), 0))

    def _update_headings(self) -> None:
        """Move the arrow to the column that gives the order."""
        for key, column in self.table.columns.items():
            column.label = Text(heading(str(key.value), column.width, self.by))

    def _fill(self, drawn: dict[str, list[Text]], at: Path | None) -> None:
        """Write all rows anew. The cursor stays on the run `at`, or in its row if that run is gone."""
        row = self.table.cursor_row
        with self.app.batch_update():
            self.table.clear(columns=True)
            for column, width in self._columns.items():
                self.table.add_column(heading(column, width, self.by), key=column, width=width)
            for key, values in drawn.items():
                self.table.add_row(*values, key=key)
            places = [place for place, key in enumerate(drawn) if key == str(at)]
            self.table.move_cursor(row=places[0] if places else min(max(row, 0), len(drawn) - 1))

    def _draw_afresh(self) -> None:
        at = self.current
        self._at = at.path if at else self._at
        self._shown = {}
        self.show_runs(self._all)

    def on_resize(self, event: Resize) -> None:
        if self._all:
            self._draw_afresh()

    def on_data_table_row_highlighted(self) -> None:
        self.refresh_bindings()

    # --- which runs, and in which order ------------------------------------------------------

    def action_filter(self) -> None:
        self.field.ask("filter", "show", self.expression)

    def action_sort(self) -> None:
        """Sort by the next column; after the last one they stand as at first."""
        names = [COLUMN_OF.get(column, column) for column in self.columns() if column not in UNSORTED]
        here = self.by.removeprefix("-")
        self.by = ["", *names][(names.index(here) + 2 if here in names else 1) % (len(names) + 1)]
        self._update_headings()
        self.show_runs(self._all)

    def action_turn(self) -> None:
        by = self.by or "age"
        self.by = by.removeprefix("-") if by.startswith("-") else f"-{by}"
        self._update_headings()
        self.show_runs(self._all)

    def on_field_edited(self, message: Field.Edited) -> None:
        if message.purpose != "filter":
            return
        try:
            wanted = parse_filter(message.text)
        except UserError as error:
            self.field.say(str(error))
            return
        self.field.say("")
        self._wanted, self.expression = wanted, message.text
        self._draw_afresh()

    def on_field_left(self, message: Field.Left) -> None:
        """The filter stays as it was typed last without a mistake; escape takes it away."""
        self.table.focus()
        if message.purpose == "filter" and message.text is None:
            self._wanted, self.expression = parse_filter(""), ""
            self._draw_afresh()

    # --- what becomes of a run ---------------------------------------------------------------

    def action_stop(self) -> None:
        """Save the run under the cursor and stop it, after a question."""
        if (run := self.current) is None:
            return

        def obey(answer: str | None) -> None:
            if answer == "stop":
                self._stop(run)

        self.app.push_screen(StopDialog(run.name), obey)

    @work
    async def _stop(self, run: RunSummary) -> None:
        if await self.do(partial(stop, run.path), f"{run.name} was asked to save and stop"):
            self._stopping[run.path] = run.pid
            self.show_runs(self._all)

    async def do(self, deed: Callable[[], object], said: str) -> bool:
        """Call `deed` in a thread; then say `said`, or why the deed was refused. Returns whether it was done."""
        try:
            await in_thread(deed)
        except UserError as error:
            self.notify(str(error), severity="error")
            return False
        self.notify(said)
        return True
