"""The gates pane: which units' gates are open or shut most of the time, and which never decide so clearly."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual.binding import BindingType
from textual.strip import Strip

from engine.session.messages import RunInfo, Snapshot, cell_of
from tui.panes import keys
from tui.panes.pane import PaintedPane, ViewChanged
from tui.rendering.colour import Palette
from tui.rendering.gates_picture import GatesContent, gates_picture


class GatesPane(PaintedPane):
    """A scatter plot for each gate: each unit a point, by how often its gate is open and how often it is shut."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.GATES]
    INSTRUMENT = "gates"
    ANSWERS = ("saturation",)
    VIEWS = ("gates",)
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
no gates either: they lie between -1 and 1.

What it does not show: *when* a gate opens. The map does, with the gate as the kind of value. And a gate that is always
open may still not matter, if nothing reads the unit.
"""

    def __init__(self, **options: str | None) -> None:
        super().__init__(**options)
        self._forget()

    def _forget(self) -> None:
        self._content = GatesContent("rnn")
        self._layers, self._layer = 1, 0

    # --- from the run ----------------------------------------------------------------------

    def begin(self, info: RunInfo) -> None:
        self._forget()
        self._content = GatesContent(str(info.config.get("cell", "rnn")))
        self._layers = int(info.config.get("layers", 1))
        self._changed()

    def show(self, snapshot: Snapshot) -> None:
        found = snapshot.saturation
        older = found is not None and self.is_older(found.step, snapshot.step)
        if found is not None and (found is not self._content.saturation or older != self._content.older):
            self._content = replace(self._content, saturation=found, older=older)
            self._changed()

    # --- drawing ---------------------------------------------------------------------------

    def _changed(self) -> None:
        found, layer = self._content.saturation, f"{self._layer + 1}"
        if found is not None and found.layer != self._layer:
            layer = f"{found.layer + 1} → {layer} …"
        gate = f"gate {self._content.gate} of " if self._content.gate else ""
        self.entitle("Cells", f"{gate}layer {layer}/{self._layers}" if self._gates else "no gates")
        self.repaint()

    def paint(self, width: int, height: int, palette: Palette) -> list[Strip]:
        return gates_picture(self._content, width, height, palette)

    # --- keys ------------------------------------------------------------------------------

    @property
    def _gates(self) -> tuple[str, ...]:
        return cell_of(self._content.cell).sigmoids

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "gate":
            return len(self._gates) > 1
        if action == "move":
            return bool(self._gates)
        return bool(self._gates) and self._layers > 1 if action == "layer" else True

    def action_move(self, places: int) -> None:
        found = self._content.saturation
        if found is not None:
            last = len(next(iter(found.shut.values()), ())) - 1
            self._content = replace(self._content, unit=min(max(self._content.unit + places, 0), max(last, 0)))
            self._changed()

    def wheel(self, by: int, column: int) -> None:
        self.action_move(by)

    def clicked(self, column: int, row: int) -> None:
        """Choose the unit whose point was clicked."""
        unit = self.mark_at(column, row).get("unit")
        if isinstance(unit, int):
            self._content = replace(self._content, unit=unit)
            self._changed()

    def action_gate(self) -> None:
        choices = ("", *self._gates)
        gate = choices[(choices.index(self._content.gate) + 1) % len(choices)]
        self._content = replace(self._content, gate=gate)
        self._changed()

    def action_layer(self) -> None:
        self._layer = (self._layer + 1) % self._layers
        self.post_message(ViewChanged(gates_layer=self._layer))
        self._changed()
