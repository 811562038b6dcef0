"""The cells pane: what each hidden unit does over the text, as a heat map of units and characters."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.binding import BindingType
from textual.strip import Strip

from engine.session.messages import Cells, Clamp, RunInfo, Snapshot
from engine.session.text_features import PATTERN
from tui.panes import keys
from tui.panes.answer import UnitsPane
from tui.panes.pane import CommandRequested, ViewChanged
from tui.rendering.cells_picture import CellsContent, cells_picture
from tui.rendering.colour import Palette
from tui.rendering.strips import DIM, paragraph

SORTS = ("index", "variance")  # after them come the features that the run's answers name
HELD_AT = (0.0, 1.0, -1.0)  # the values at which a unit is held after its present value


class CellsPane(UnitsPane):
    """A map of units × characters, orange below zero and blue above. One unit is chosen, and can be held at a value."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.CELLS]
    INSTRUMENT = "cells"
    ANSWERS = ("cells",)
    VIEWS = ("map",)
    HELP: ClassVar[str] = """\
## Cells

Each **row** is a unit of one layer, each **column** a character of the text: its colour is the value of the unit
after reading it. Orange with `-` is below zero, blue above; for h the colours always end at −1 and 1. Gates lie
between 0 (shut) and 1 (open). Where there are few colours, ▼ ▾ - + ▴ ▲ stand for very negative to very positive.

The **chosen unit** (▸, ↑ ↓) colours the text above the map. `enter` shows the whole text in its colours: the quickest
way to find a unit that counts brackets, or that knows when it is inside quotes.

**Kinds** (`k`): the hidden state h, the LSTM's cell state c, or a gate. **Order** (`f`): by index, by variance, or by
how well a unit follows a feature of the text, or the regular expression that you asked for in *contexts*: the
correlation r over held-out text.

**Follows best**: for each feature the unit with the largest r. Of many units one always seems to follow: *chance* is
what the best of them exceeds in 5% of cases if each passage of the text is given the feature of another passage. No
unit with a smaller r is named. **Depth read out of h** is how often a linear classifier names the right bracket depth,
fitted on half of the passages and measured on the others, without what stands in both. Two others stand beside it: the
same from an *untrained* network of this shape, with weights drawn as this run's settings say, and naming always the
most frequent depth (*majority*).

**Gates**: the shares of values below 0.1 and above 0.9. A gate that is always shut or always open decides nothing.

**Hold** (`H`) fixes h of the unit at its present value, then at 0, 1 and −1; then it frees the unit. If that
value is 0, 1 or −1, or the map does not show h, it begins at 0. The unit is held here, in the samples and in an extra
validation, but not in training. The change in validation loss, with all held units at once, says whether they matter:
it shows cause, not only correlation. In a run that was opened after its end no unit can be held: `g` goes on with it.

**Moments**: `(` and `)` go to the weights of earlier and later moments of the run. `m` draws each unit twice: as it is
now (●), and below as it was then (○), in the order of that moment.

What it does not show: a unit that follows a feature well need not be *used* for it. And the network may spread what it
knows over many units, so that no single unit shows it.
"""

    _answer: Cells | None
    _now: Cells | None

    def __init__(self, **options: str | None) -> None:
        super().__init__(**options)
        self._forget()

    def _forget(self) -> None:
        self._sort = "index"
        self._pattern = ""  # the regular expression that was asked for last, after a /
        self._hidden_right = 0
        self._as_text = False
        self._rows = 1
        self._live = True  # a process trains the run, so units can be held
        self.forget_requests()

    def forget_requests(self) -> None:
        """Forget the commands sent to the process that had the run: another one has it now, and did not get them."""
        self._holding: CommandRequested | None = None  # the last `Clamp`, until the run has obeyed it

    # --- from the run ----------------------------------------------------------------------

    def begin(self, info: RunInfo) -> None:
        super().begin(info)
        self._forget()
        self._changed()

    def show(self, snapshot: Snapshot) -> None:
        if snapshot.live != self._live:
            self._live = snapshot.live
            self.refresh_bindings()
        super().show(snapshot)
        if self._holding is not None and self._holding.is_obeyed(snapshot):
            self._holding = None
            self._changed()

    def take_over(self, changes: dict[str, Any]) -> None:
        super().take_over(changes)
        if str(changes.get("cells_feature", "")).startswith(PATTERN):
            self._pattern = str(changes["cells_feature"])

    # --- drawing ---------------------------------------------------------------------------

    def _chosen(self, cells: Cells) -> int:
        if not 0 <= self._unit < len(cells.order):
            return int(cells.order[0])
        return self._unit

    def _changed(self) -> None:
        self.entitle("Cells", f"{self._kind_words()} · by {self._sort}")
        self.repaint()

    def paint(self, width: int, height: int, palette: Palette) -> list[Strip]:
        cells = self._answer
        if cells is None or not cells.text or not len(cells.order):
            return paragraph("Waiting for the first activations …", width, height, DIM)
        content = CellsContent(
            cells=cells,
            older=self._older,
            cell=self._cell,
            unit=self._chosen(cells),
            hidden_right=self._hidden_right,
            as_text=self._as_text,
            asked=tuple(self._awaited(cells).items()),
            now=self._now,
        )
        strips, self._rows = cells_picture(content, width, height, palette)
        return strips

    def _awaited(self, cells: Cells) -> dict[int, float | None]:
        """The unit of this layer that is about to be held, with the value, or about to be freed, with None."""
        command = self._holding and self._holding.command
        if isinstance(command, Clamp) and command.layer == cells.layer:
            return {command.unit: command.value}
        return {}

    # --- keys ------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._live if action == "clamp" else super().check_action(action, parameters)

    def action_move(self, places: int) -> None:
        if self._answer is not None and len(self._answer.order):
            order = self._answer.order.tolist()
            place = order.index(self._chosen(self._answer)) + places
            self._choose(order[min(max(place, 0), len(order) - 1)])

    def clicked(self, column: int, row: int) -> None:
        """Choose the unit of the row that was clicked."""
        unit = self.mark_at(column, row, in_row=True).get("unit")
        if isinstance(unit, int):
            self._choose(unit)

    def action_page(self, pages: int) -> None:
        self.action_move(pages * self._rows)

    def action_scroll(self, characters: int) -> None:
        """Move `characters` back in the text, or forward if negative."""
        if self._answer is not None:
            self._hidden_right = min(max(self._hidden_right + characters, 0), max(len(self._answer.text) - 8, 0))
            self._changed()

    def action_text(self) -> None:
        self._as_text = not self._as_text
        self._changed()

    def action_sort(self) -> None:
        sorts = [*SORTS, *(feature.name for feature in (self._answer.best if self._answer is not None else ()))]
        sorts += [self._pattern] if self._pattern else []
        here = sorts.index(self._sort) if self._sort in sorts else -1
        self._sort = sorts[(here + 1) % len(sorts)]
        self._unit = -1
        self.post_message(ViewChanged(cells_sort=self._sort, cells_unit=-1))
        self._changed()

    def action_clamp(self) -> None:
        """Hold the chosen unit at its present value, unless that is 0, 1 or −1; then at 0, 1 and −1; then free it."""
        cells = self._answer
        if cells is None or not cells.text:
            return
        unit = self._chosen(cells)
        now = {**dict(cells.clamped), **self._awaited(cells)}.get(unit)
        value: float | None
        if now is None:
            present = round(float(cells.values[unit, -1]), 2) if cells.kind == "h" else HELD_AT[0]
            value = HELD_AT[0] if present in HELD_AT else present  # from one in the middle, others would be skipped
        elif now in HELD_AT:
            following = (*HELD_AT, None)
            value = following[following.index(now) + 1]
        else:
            value = HELD_AT[0]
        self._unit = unit
        self._holding = CommandRequested(Clamp(cells.layer, unit, value))
        self.post_message(self._holding)
        self._changed()
