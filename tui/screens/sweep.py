"""The screen of a sweep: a table of its runs, their curves, and how gradients vanish and how far each run looks."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from pathlib import Path
from time import monotonic
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Resize
from textual.message import Message

from engine.errors import UserError
from engine.remote.client import RemoteLink
from engine.runs.listing import RunSummary
from engine.runs.table import differing, labels
from engine.session.messages import Pause, Resume
from engine.sweep.board import Board, BoardReader, Group, grouped
from engine.sweep.study import ENDED
from tui.panes import keys
from tui.panes.bands import BandsPane
from tui.rendering.runs_table import sweep_widths
from tui.rendering.text import visible_text
from tui.screens.help import HelpScreen
from tui.screens.in_thread import in_thread
from tui.screens.runs_table import FILTER_HELP, RunsTable, TableScreen
from tui.widgets.keybar import KeyBar

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_WHILE_READING = 0.1  # as long as there are curves to read
PAUSE_PER_LOOK = 4  # a look is followed by none for this many times as long
ROOM_FOR_ALL = (100, 30)  # columns and rows; on less, one chart stands below the table
TABLE_SHARE = 0.5  # of the columns
HELP = f"""\
## Sweep

One row for each run, with the settings in which the runs differ. *val* is the last validation loss, *best* the lowest.

**Curves**: `v` turns from the validation loss to the training loss, on a small screen also to the gradients and the
reach. The run under the cursor is drawn in bold. `g` groups the runs by a setting: each group then has the median of
its runs as a line, and the lowest and the highest of them beside it, which is the spread from seed to seed. Two groups
whose bands overlap are not told apart by these runs.

**‖G_t‖ against t**: the length of the gradient at each time step of a window, for the loss of its last step alone, on
a logarithmic scale of at least six decades. A curve that falls to the left vanishes: the loss can then teach the
network little about the beginning of the window. **Reach** is how many characters back predictions depend on, over the
training.

{FILTER_HELP}
`enter` opens the dashboard of a run, live or ended; leaving that one comes back here. `x` saves and stops the run under
the cursor, `space` pauses all of them or lets them go on.
"""


class SweepScreen(TableScreen):
    """Shows the sweep in the directory `path`, and reads it again twice a second. `Chosen` asks the app to open a run.

    `by` is the column that gives the rows their order, `group` the setting that the runs are grouped by.
    """

    class Chosen(Message):
        """The user opened the run in `path`."""

        def __init__(self, path: Path) -> None:
            self.path = path
            super().__init__()

    BINDINGS: ClassVar[list[BindingType]] = [*keys.SWEEP]

    def __init__(
        self, path: Path, *, at: Path | None = None, expression: str = "", by: str = "", group: str | None = None
    ) -> None:
        super().__init__(at=at, expression=expression, by=by)
        self._path = path
        self._reader = BoardReader(path)
        self._board: Board | None = None
        self.group = group  # None until the first look chooses one
        self._grouped: tuple[Board | None, tuple[RunSummary, ...], str | None, list[Group]] = (None, (), None, [])
        self._paused = False
        self.problem = ""  # why the sweep cannot be read; empty where it can
        self._curves = BandsPane(("val_loss", "loss"), id="curves")
        self._small = BandsPane(("val_loss", "loss", "norms", "reach"), id="small")
        self._norms, self._reach = BandsPane(("norms",), id="norms"), BandsPane(("reach",), id="reach")

    def compose(self) -> ComposeResult:
        yield self.head
        with Horizontal(id="sweep"):
            with Vertical(id="sweep-table"):
                yield from self.compose_table()
                yield self._small
            with Vertical(id="sweep-curves"):
                yield self._curves
                with Horizontal():
                    yield self._norms
                    yield self._reach
        yield self.field
        yield KeyBar()

    def on_mount(self) -> None:
        self._arrange()
        self.run_worker(self._keep_looking())

    async def _keep_looking(self) -> None:
        while True:
            began = monotonic()
            try:
                self._board = await in_thread(self._reader.look)
                self.problem = ""
            except UserError as error:
                self.problem = str(error)
            self._show()
            is_whole = self._board is None or self._board.is_whole
            pause = max(SECONDS_BETWEEN_LOOKS, PAUSE_PER_LOOK * (monotonic() - began))
            await asyncio.sleep(pause if is_whole else SECONDS_WHILE_READING)

    # --- drawing ---------------------------------------------------------------------------

    @property
    def is_whole(self) -> bool:
        """Whether all that the sweep's directory holds by now is on the screen."""
        return self._board is not None and self._board.is_whole

    @property
    def _is_narrow(self) -> bool:
        return self.size.width < ROOM_FOR_ALL[0] or self.size.height < ROOM_FOR_ALL[1]

    def on_resize(self, event: Resize) -> None:
        self._arrange()

    def _arrange(self) -> None:
        self._small.display = self._is_narrow
        self.query_one("#sweep-curves").display = not self._is_narrow

    def _show(self) -> None:
        if self._board is None:
            self.show_runs([])
            return
        if self.group is None:
            self.group = self._first_group(self._board)
        self.show_runs(self._board.rows)
        self._draw_curves()

    @staticmethod
    def _first_group(board: Board) -> str:
        """Runs that differ in their seeds and in one thing more are grouped by that."""
        others = [name for name in board.study.differing if name != "seed"]
        return others[0] if "seed" in board.study.differing and len(others) == 1 else ""

    def _draw_curves(self) -> None:
        if self._board is None:
            return
        runs = tuple(self.runs.values())
        if self._grouped[:3] != (self._board, runs, self.group):
            groups = grouped(self._board, runs, self.group or "", labels(runs))
            self._grouped = (self._board, runs, self.group, groups)
        groups = self._grouped[3]
        chosen = self.current.name if self.current and self.table.show_cursor else ""
        for pane in (self._small,) if self._is_narrow else (self._curves, self._norms, self._reach):
            pane.show_groups(groups, chosen)

    def on_data_table_row_highlighted(self) -> None:
        self._draw_curves()

    def columns(self) -> dict[str, int]:
        board = self._board
        width = self.size.width if self._is_narrow else round(TABLE_SHARE * self.size.width)
        return sweep_widths(self._all, board.study.differing if board else (), width)

    def head_line(self) -> Content:
        program = Content.styled(" charrnn-tui ", "bold $primary")
        if self._board is None:
            return Content.assemble(program, f" {visible_text(self.problem or str(self._path))}")
        study = self._board.study
        over = sum(run.state in ENDED for run in study.runs)
        head = [f"sweep {visible_text(study.name)}", visible_text(study.text_name)]
        ended = f"{over} of {max(study.trials, len(study.runs))}"
        tail = ["‖ paused"] if self._paused else []
        group, problem = self.group or "", [visible_text(self.problem)] if self.problem else []
        long = [*head, f"{ended} runs have ended", *tail, *([f"grouped by {group}"] if group else []), *problem]
        short = [*head, f"{ended} ended", *tail, *([f"by {group}"] if group else []), *problem]
        lines = [Content.assemble(program, (" " + " · ".join(parts), "$foreground-muted")) for parts in (long, short)]
        line = lines[0] if lines[0].cell_length <= self.size.width else lines[1]
        return line.truncate(self.size.width, ellipsis=True)

    def none_line(self) -> str:
        return visible_text(self.problem) or "The first run is about to begin."

    # --- keys ------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        run = self.current
        match action:
            case "stop":
                return run is not None and run.pid is not None and run.state != "stopping"
            case "pause":
                return any(row.pid is not None for row in self._all)
            case "group":
                return len(self._all) > 1
        return True

    def on_data_table_row_selected(self) -> None:
        run = self.current
        if run is None:
            return
        if run.state == "waiting":
            self.notify(f"{run.name} has not begun")
        else:
            self.post_message(self.Chosen(run.path))

    def action_group(self) -> None:
        """Group by the next setting in which the runs differ; after the last one, not at all."""
        names = ["", *differing(list(self.runs.values()))]
        self.group = names[(names.index(self.group or "") + 1) % len(names)] if self.group in names else ""
        self._show()

    def action_turn_view(self) -> None:
        (self._small if self._is_narrow else self._curves).turn()

    def action_help(self) -> None:
        keys = [*RunsTable.BINDINGS, *self.BINDINGS, *TableScreen.BINDINGS]
        self.app.push_screen(HelpScreen([(HELP, keys), ("## Keys of the curves", BandsPane.BINDINGS)]))

    def action_pause(self) -> None:
        """Pause all runs that are trained now, or let them go on."""
        self.run_worker(self._pause([row.path for row in self._all if row.pid is not None], not self._paused))

    async def _pause(self, live: list[Path], paused: bool) -> None:
        if await self.do(partial(_steer, live, paused=paused), f"all runs {'are paused' if paused else 'go on'}"):
            self._paused = paused
            self._show()


def _steer(paths: list[Path], *, paused: bool) -> None:
    """Pause the runs in `paths`, or let them go on; those that have ended meanwhile are left alone.

    Raises `UserError` if none of them answers: runs of a cluster are out of a viewer's reach.
    """
    reached = 0
    for path in paths:
        with contextlib.suppress(UserError), contextlib.closing(RemoteLink(path, past=False)) as link:
            link.send(Pause() if paused else Resume())
            reached += 1
    if paths and not reached:
        raise UserError("no run answers; those that a cluster trains can only be stopped, all together, with the sweep")
