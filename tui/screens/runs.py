"""The list of runs: open one, mark others to compare it with, stop, rename or remove one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message

from engine.errors import UserError
from engine.runs.housekeeping import remove_run, rename_run
from engine.runs.listing import RunSummary
from engine.sweep.listing import SweepsAndRuns
from tui.panes import keys
from tui.rendering.runs_table import head, widths
from tui.rendering.text import visible_text
from tui.screens.dialogs import RemoveDialog
from tui.screens.help import HelpScreen
from tui.screens.in_thread import in_thread
from tui.screens.runs_table import FILTER_HELP, RunsTable, TableScreen
from tui.widgets.field import Field
from tui.widgets.keybar import KeyBar

SECONDS_BETWEEN_LOOKS = 1.0  # at the directory
PAUSE_PER_LOOK = 5  # a look is followed by none for this many times as long
HELP = f"""\
## Runs

One row for each run, the newest first; the list is renewed once a second. *loss* is the training loss of the last
report, *best* the lowest validation loss, both in nats per character. *age* is the time since the run began.

A run that is *live* or *paused* trains in another process: you watch it there, and leaving it does not stop it. A run
that has ended is opened as it was saved. *crashed* means that its process ended without saying why, for example
because it was killed. A *damaged* run, or one of a *newer* version, cannot be opened: its row says why.

A sweep has one row, which says how many runs it has; *step* counts those of all, *best* is the lowest validation loss
of any. `enter` opens its own screen, with a row for each run.

{FILTER_HELP}
**Compare**: `c` marks a run (◆). The curves of all marked runs are drawn over those of the run that you open.

# Keys

The arrows move the cursor. `ctrl+p` finds any key by its name.
"""


class RunsScreen(TableScreen):
    """Lists the runs in `directory`, and reads it again once a second. `Chosen` asks the app to open a run.

    The cursor begins on the run `at`; the runs in `marked` begin marked.
    """

    class Chosen(Message):
        """The user opened the run in `path`; the runs in `beside` are marked for comparison."""

        def __init__(self, path: Path, beside: tuple[Path, ...]) -> None:
            self.path, self.beside = path, beside
            super().__init__()

    BINDINGS: ClassVar[list[BindingType]] = [*keys.RUNS]

    def __init__(
        self, directory: Path, at: Path | None, marked: Sequence[Path], *, expression: str = "", by: str = ""
    ) -> None:
        super().__init__(at=at, expression=expression, by=by)
        self.marked = list(marked)
        self.directory = directory
        self._list = SweepsAndRuns(directory)
        self._deeds = 0  # what was done to runs here: a look that began before is out of date

    def compose(self) -> ComposeResult:
        yield self.head
        yield from self.compose_table()
        yield self.field
        yield KeyBar()

    def on_mount(self) -> None:
        self.run_worker(self._keep_looking())

    async def _keep_looking(self) -> None:
        while True:
            began, deeds = monotonic(), self._deeds
            runs = await in_thread(self._list.look)
            if deeds == self._deeds:
                self.show_runs(runs)
            # Thousands of runs take a while to look at, and the keys wait for that.
            await asyncio.sleep(max(SECONDS_BETWEEN_LOOKS, PAUSE_PER_LOOK * (monotonic() - began)))

    # --- drawing ---------------------------------------------------------------------------

    def columns(self) -> dict[str, int]:
        return widths(self.size.width)

    def head_line(self) -> Content:
        return head(self._all, len(self.runs), self.directory, len(self.marked), self.size.width)

    def none_line(self) -> str:
        return f"No runs in {visible_text(str(self.directory))}. `charrnn-tui train` begins one."

    # --- keys ------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        run = self.current
        if run is not None and run.runs is not None and action in ("remove", "mark", "rename"):  # it is a sweep
            return False
        match action:
            case "stop":
                return run is not None and run.pid is not None and run.state != "stopping"
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
        self.show_runs(self._all)

    def action_help(self) -> None:
        keys = [*RunsTable.BINDINGS, *self.BINDINGS, *TableScreen.BINDINGS]
        self.app.push_screen(HelpScreen([(HELP, keys)]))

    # --- what changes a run ------------------------------------------------------------------

    def action_rename(self) -> None:
        if (run := self.current) is not None:
            self.field.ask(f"rename {run.path}", "new name", run.name)

    def on_field_left(self, message: Field.Left) -> None:
        if message.purpose.startswith("rename ") and message.text:
            self._rename(Path(message.purpose.removeprefix("rename ")), message.text)

    def _rename(self, path: Path, name: str) -> None:
        if name == path.name:
            return
        try:
            new = rename_run(path, name)
        except UserError as error:
            self.notify(str(error), severity="error")
        else:
            self.marked = [new if marked == path else marked for marked in self.marked]
            self._at = new
            self._show_done([replace(run, name=new.name, path=new) if run.path == path else run for run in self._all])

    def _show_done(self, runs: Sequence[RunSummary]) -> None:
        """Show `runs`, after something was done to one of them here."""
        self._deeds += 1
        self.show_runs(runs)

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
            self.notify(str(error), severity="error")
        else:
            more = f"; what is not of the run stays in {run.path}" if left else ""
            self.notify(f"{run.name} is removed{more}")
            self._show_done([each for each in self._all if each.path != run.path])
