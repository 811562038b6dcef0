"""The gates pane: which units' gates are open or shut most of the time, and which never decide so clearly."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.strip import Strip

from engine.session.messages import RunInfo, Saturation, cell_of
from tui.panes import keys
from tui.panes.answer import GatePane
from tui.rendering.colour import Palette
from tui.rendering.gates_picture import GatesContent, gates_picture


class GatesPane(GatePane):
    """A scatter plot for each gate: each unit a point, by how often its gate is open and how often it is shut."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.GATES]
    INSTRUMENT = "gates"
    ANSWERS = ("saturation",)
    VIEWS = ("gates",)
    LAYER = "gates_layer"
    HELP: ClassVar[str] = """\
## Cells: the view *gates*

Each unit of a gate is a **point**. To the right: the share of the held-out characters at which its gate is **open**,
above 0.9. Upwards: the share at which it is **shut**, below 0.1. A digit counts the units in one place, `#` stands for
ten or more, and ◆ is the chosen unit (↑ ↓), whose shares are written out. `k` shows one gate alone, `L` the next layer.

**At the right end** are units whose gate is always open. Of an LSTM's forget gate f, or of a GRU's z, which here is
the share of the old state that stays, these are units that keep what they have for very long. **At the top** it is
always shut: such a unit of f or z starts afresh at every character. (A mingru's z is the share that is new.) **In the
left corner below** it is never either: the unit always passes on a mixture. On the dotted line it is always one or the
other, as a switch is.

The picture is that of Karpathy, Johnson and Fei-Fei, arXiv:1506.02078. An rnn has no gates. The candidates n and g are
no gates either: they lie between −1 and 1.

What it does not show: *when* a gate opens. The map does, with the gate as the kind of value. And a gate that is always
open may still not matter, if nothing reads the unit.
"""

    _answer: Saturation | None
    _unit = 0

    def begin(self, info: RunInfo) -> None:
        super().begin(info)
        self._unit = 0
        self._changed()

    # --- drawing ---------------------------------------------------------------------------

    def _changed(self) -> None:
        words = self.layer_words(self._answer.layer if self._answer else None)
        self.entitle("Cells", words if self._gates else "no gates")
        self.repaint()

    def paint(self, width: int, height: int, palette: Palette) -> list[Strip]:
        content = GatesContent(self._cell, self._answer, unit=self._unit, gate=self._gate, older=self._older)
        return gates_picture(content, width, height, palette)

    # --- keys ------------------------------------------------------------------------------

    @property
    def _gates(self) -> tuple[str, ...]:
        return cell_of(self._cell).sigmoids

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return bool(self._gates) if action == "move" else super().check_action(action, parameters)

    def action_move(self, places: int) -> None:
        if self._answer is not None:
            last = len(next(iter(self._answer.shut.values()), ())) - 1
            self._unit = min(max(self._unit + places, 0), max(last, 0))
            self._changed()

    def wheel(self, by: int, column: int) -> None:
        self.action_move(by)

    def clicked(self, column: int, row: int) -> None:
        """Choose the unit whose point was clicked."""
        unit = self.mark_at(column, row).get("unit")
        if isinstance(unit, int):
            self._unit = unit
            self._changed()
