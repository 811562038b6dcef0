"""The list of runs: open one, mark others to compare it with, stop one that is live."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import monotonic
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
from engine.runs.housekeeping import remove_run, rename_run
from engine.runs.listing import RunList, RunSummary
from engine.runs.table import in_order, parse_filter
from tui.rendering.runs_table import SHOWN_AS, cells, head, heading, widths
from tui.rendering.text import visible_text
from tui.screens.dialogs import RemoveDialog, StopDialog
from tui.screens.help import HelpScreen
from tui.screens.in_thread import in_thread
from tui.widgets.field import Field
from tui.widgets.keybar import KeyBar

SECONDS_BETWEEN_LOOKS = 1.0  # at the directory
SHARE_OF_LOOKS = 5  # a look of some seconds is followed by none for so many times as long
MOST = 500  # rows: a screen has some fifty, and every row is drawn again when something changes
COLUMN_OF = {shown: name for name, shown in SHOWN_AS.items()}
UNSORTED = ("cell",)  # several settings in one column
HELP = """\
## Runs

One row for each run, the newest first; the list is renewed once a second. *loss* is the training loss of the last
report, *best* the lowest validation loss, both in nats per character. *age* is the time since the run began.

**Which runs, in which order**: `f` asks for conditions with blanks between them, such as
`cell=gru hidden>=128 best<1.6`. A condition is a column or a setting, one of `= != < <= > >=`, and a value; a word
alone is looked for in the names of run and text. There are more columns than the screen shows: *val* (the last
validation loss), *progress*, *seconds*, and every setting of `train`. `s` puts the runs into the order of the next
column, `S` turns the order round. Of a long list the first 500 runs are shown.

*reach* is how many characters back predictions depend on, *ratio* is ‖G_0‖/‖G_T−1‖ of the gradient flow recorded last,
*left* is the time until the last step.

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
        Binding("enter", "select_cursor", "open", tooltip="Open this run, or watch it if it is live", id="runs.open"),
        Binding("home", "scroll_top", "first", show=False, tooltip="The first run", id="runs.first"),
        Binding("end", "scroll_bottom", "last", show=False, tooltip="The last run", id="runs.last"),
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
        Binding("f,slash", "filter", "filter", tooltip="Show only some runs, as cell=gru best<1.6", id="runs.filter"),
        Binding("s", "sort", "sort", tooltip="In the order of the next column", id="runs.sort"),
        Binding("S", "turn", "turn", show=False, tooltip="Turn the order round", id="runs.turn"),
        Binding("R", "rename", "rename", tooltip="Give this run another name", id="runs.rename"),
        Binding("D,delete", "remove", "remove", tooltip="Remove this run, which has ended", id="runs.remove"),
        Binding("question_mark", "help", "help", tooltip="Help: keys, and how to read the list", id="runs.help"),
        Binding("q", "app.quit", "quit", tooltip="Leave the program", id="app.quit"),
    ]

    def __init__(
        self, directory: Path, at: Path | None, marked: Sequence[Path], *, expression: str = "", by: str = ""
    ) -> None:
        super().__init__()
        self.marked: list[Path] = list(marked)
        self.expression, self.by = expression, by  # which runs, see `parse_filter`; in which order, see `in_order`
        self._wanted = parse_filter(expression)
        self._directory, self._at = directory, at
        self._list = RunList(directory)
        self._all: list[RunSummary] = []
        self._runs: dict[str, RunSummary] = {}  # that are shown, in their order
        self._shown: dict[str, list[Text]] = {}
        self._head, self._empty = Static(id="runs-head"), Static(id="runs-empty")
        self._table = RunsTable(cursor_type="row", cell_padding=0, cursor_foreground_priority="renderable")
        self._field = Field()

    def compose(self) -> ComposeResult:
        yield self._head
        yield self._empty
        yield self._table
        yield self._field
        yield KeyBar()

    def on_mount(self) -> None:
        self._table.focus()
        self.watch(self.app, "theme", self._draw_afresh, init=False)
        self.run_worker(self._keep_looking())

    async def _keep_looking(self) -> None:
        while True:
            began = monotonic()
            self._show(await in_thread(self._list.look))
            # Thousands of runs take a while to look at, and the keys wait for that.
            await asyncio.sleep(max(SECONDS_BETWEEN_LOOKS, SHARE_OF_LOOKS * (monotonic() - began)))

    # --- drawing ---------------------------------------------------------------------------

    @property
    def current(self) -> RunSummary | None:
        """The run under the cursor."""
        keys = list(self._shown)
        row = self._table.cursor_row
        return self._runs[keys[row]] if 0 <= row < len(keys) else None  # -1 after ↑ in a table that is still empty

    def _show(self, runs: Sequence[RunSummary]) -> None:
        at = self._at or (self.current.path if self.current else None)
        self._all = list(runs)
        wanted = [run for run in runs if self._wanted.holds(run)]
        wanted = in_order(wanted, self.by) if self.by else wanted
        self._runs = {str(run.path): run for run in wanted[:MOST]}
        there = {run.path for run in runs}
        self.marked = [path for path in self.marked if path in there]
        self._head.update(head(runs, len(self._runs), self._directory, len(self.marked), self.size.width))
        place = visible_text(str(self._directory))
        none = f"No runs in {place}. `charrnn-tui train` begins one."
        unlike = f"No run is like that: {visible_text(self.expression)}. `f` changes the filter."
        self._empty.update(Content(unlike if runs else none))
        self._empty.display, self._table.display = not self._runs, bool(self._runs)
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
            for column, new, old in zip(widths(self.size.width), row, self._shown[key], strict=True):
                if new != old:
                    self._table.update_cell(key, column, new)

    def _fill(self, drawn: dict[str, list[Text]], at: Path | None) -> None:
        """Write all rows anew. The cursor stays on the run `at`, or in its row if that run is gone."""
        row = self._table.cursor_row
        with self.app.batch_update():
            self._table.clear(columns=True)
            for column, width in widths(self.size.width).items():
                self._table.add_column(heading(column, width, self.by), key=column, width=width)
            for key, values in drawn.items():
                self._table.add_row(*values, key=key)
            places = [place for place, key in enumerate(drawn) if key == str(at)]
            self._table.move_cursor(row=places[0] if places else min(max(row, 0), len(drawn) - 1))

    def _draw_afresh(self) -> None:
        at = self.current
        self._at = at.path if at else self._at
        self._shown = {}
        self._show(self._all)

    def on_resize(self, event: Resize) -> None:
        if self._all:
            self._draw_afresh()

    def on_data_table_row_highlighted(self) -> None:
        self.refresh_bindings()

    # --- keys ------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        run = self.current
        match action:
            case "stop":
                return run is not None and run.pid is not None
            case "remove":
                return run is not None and run.pid is None
            case "mark" | "rename":
                return run is not None
        return True

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
        self._show(self._all)

    # --- which runs, and in which order ------------------------------------------------------

    def action_filter(self) -> None:
        self._field.ask("filter", "show", self.expression)

    def action_sort(self) -> None:
        """Sort by the next column; after the last one the newest come first again."""
        names = [COLUMN_OF.get(column, column) for column in widths(self.size.width) if column not in UNSORTED]
        here = self.by.removeprefix("-")
        self.by = ["", *names][(names.index(here) + 2 if here in names else 1) % (len(names) + 1)]
        self._draw_afresh()

    def action_turn(self) -> None:
        by = self.by or "age"
        self.by = by.removeprefix("-") if by.startswith("-") else f"-{by}"
        self._draw_afresh()

    def on_field_edited(self, message: Field.Edited) -> None:
        if message.purpose != "filter":
            return
        try:
            wanted = parse_filter(message.text)
        except UserError as error:
            self._field.say(str(error))
            return
        self._field.say("")
        self._wanted, self.expression = wanted, message.text
        self._draw_afresh()

    def on_field_left(self, message: Field.Left) -> None:
        """The filter stays as it was typed last without a mistake; escape takes it away."""
        self._table.focus()
        if message.purpose == "filter" and message.text is None:
            self._wanted, self.expression = parse_filter(""), ""
            self._draw_afresh()
        if message.purpose.startswith("rename ") and message.text:
            self._rename(Path(message.purpose.removeprefix("rename ")), message.text)

    # --- what changes a run ------------------------------------------------------------------

    def action_rename(self) -> None:
        if (run := self.current) is not None:
            self._field.ask(f"rename {run.path}", "new name", run.name)

    def _rename(self, path: Path, name: str) -> None:
        if name == path.name:
            return
        try:
            new = rename_run(path, name)
        except UserError as error:
            self.notify(str(error), severity="error", markup=False)
        else:
            self.marked = [new if marked == path else marked for marked in self.marked]
            self._at = new

    def action_remove(self) -> None:
        """Remove the run, after two questions."""
        if (run := self.current) is None:
            return

        def again(answer: str | None) -> None:
            if answer == "remove":
                self.app.push_screen(RemoveDialog(run.name, is_sure=True), obey)

        def obey(answer: str | None) -> None:
            if answer == "remove":
                self._remove(run)

        self.app.push_screen(RemoveDialog(run.name, is_sure=False), again)

    def _remove(self, run: RunSummary) -> None:
        try:
            left = remove_run(run.path)
        except UserError as error:
            self.notify(str(error), severity="error", markup=False)
        else:
            more = f"; what is not of the run stays in {run.path}" if left else ""
            self.notify(f"{run.name} is removed{more}", markup=False)

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
