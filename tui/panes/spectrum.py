"""The spectrum pane: whether the states of the network come together or move apart along real text."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual.binding import BindingType
from textual.strip import Strip

from engine.session.messages import RunInfo, Snapshot, cell_of
from tui.panes import keys
from tui.panes.answer import GatePane
from tui.rendering.colour import Palette
from tui.rendering.spectrum_picture import SpectrumContent, spectrum_picture


class SpectrumPane(GatePane):
    """The eigenvalues of W_hh in the complex plane, the Lyapunov exponents, and λ₁ over the training."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.SPECTRUM]
    INSTRUMENT = "spectrum"
    ANSWERS = ("eigenvalues", "exponents")
    VIEWS = ("spectrum",)
    LAYER = "spectrum_layer"
    HELP: ClassVar[str] = """\
## Gradients: the view *spectrum*

It answers a question that one window's gradients leave open: do the network's states, along real text, **come together
or move apart**? Two copies of the network in slightly different states read the same held-out text. Where their
difference shrinks, the state forgets where it came from, and a gradient that goes back shrinks as fast.

**Lyapunov exponents** λ₁, λ₂, … say how fast, in nats per character: in each direction a difference grows by e^λ with
every character, on average. They are measured on the whole state, h, or h and c, of all layers, with the real inputs:
four stretches of held-out text, 100 characters to warm up, then 100 that count. The largest are shown.

**λ₁ < 0**: all differences shrink. The **memory time** −1/λ₁ is in how many characters the slowest of them shrinks to
37%. **λ₁ > 0**: some grow, and two nearby states soon have nothing to do with each other, which is called chaos.
**λ₁ near 0** keeps differences, and lets gradients pass. Its curve runs from the lowest to the highest value so far;
late in a long run it has four values in each doubling of the steps, not one for each validation, and one for the last
step.

**The plane** has the eigenvalues of the recurrent matrix W_hh, each gate's block for itself, as the gate's letter; `+`
stands where several gates have one, and `k` shows one gate alone, as dots. The circle has radius 1, and ρ is the
largest distance from the middle; what lies farther out than 2 is drawn at 2. With no tanh and no gates, an eigenvalue
outside the circle would be a direction in which h grows at every step, one inside a direction in which it shrinks, and
an angle a rotation.

**Try**: watch λ₁ of `--cell rnn` and `--cell lstm` on the same text, and of `--init orthogonal` and `normal:0.01`.

What it does not show: *what* the network remembers. A difference may last long and never be used, and a network may
remember by settling into one of several states, from each of which all small differences vanish. Nor do eigenvalues
alone say whether states move apart: the slopes of tanh and the gates decide as well, and only the exponents count them.
"""

    _content = SpectrumContent("rnn")

    # --- from the run ----------------------------------------------------------------------

    def begin(self, info: RunInfo) -> None:
        super().begin(info)
        self._content = SpectrumContent(self._cell)
        self._changed()

    def look_at(self, moment: int | None) -> None:
        super().look_at(moment)
        self._content = replace(self._content, eigenvalues=None, exponents=None)  # one may come long after the other
        self._changed()

    def show(self, snapshot: Snapshot) -> None:
        eigenvalues = snapshot.eigenvalues or self._content.eigenvalues
        exponents = snapshot.exponents or self._content.exponents
        answers = [answer for answer in (eigenvalues, exponents) if answer is not None]
        content = replace(
            self._content,
            eigenvalues=eigenvalues,
            exponents=exponents,
            lambda1=tuple(snapshot.history.lambda1.tolist()),
            older=any(self.is_older(answer.step, snapshot.step) for answer in answers),
        )
        if content.is_other_than(self._content):
            self._content = content
            self._changed()

    # --- drawing ---------------------------------------------------------------------------

    def _changed(self) -> None:
        found = self._content.eigenvalues
        words = self.layer_words(found.layer if found else None)
        self.entitle("Gradients", f"W_hh: {words}" if self._gates else "no W_hh")
        self.repaint()

    def paint(self, width: int, height: int, palette: Palette) -> list[Strip]:
        return spectrum_picture(replace(self._content, gate=self._gate), width, height, palette)

    # --- keys ------------------------------------------------------------------------------

    @property
    def _gates(self) -> tuple[str, ...]:
        described = cell_of(self._cell)
        return described.gates if described.recurrent else ()
