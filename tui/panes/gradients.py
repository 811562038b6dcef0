"""The gradients pane: how much gradient reaches each time step, so that you see it vanish or explode."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, get_args

import numpy as np
from textual.binding import BindingType
from textual.strip import Strip

from engine.session.messages import GradientFlow, GradientView, RunInfo, Snapshot, cell_of
from tui.panes import keys
from tui.panes.pane import PaintedPane, ViewChanged
from tui.rendering.colour import KEPT, NOW, Palette
from tui.rendering.gradient_picture import histogram_picture, triangle_picture
from tui.rendering.gradient_windows import ratio, windows_of
from tui.rendering.gradient_words import matrix_note, matrix_words, ratio_and_spread, summary, verdict
from tui.rendering.histogram import occupied
from tui.rendering.norm_axis import norm_axis, norm_limits
from tui.rendering.numbers import at_step, power
from tui.rendering.sentences import Saying, fitted
from tui.rendering.strips import BOLD, DIM, PLAIN, Span, as_lines, fit, line, paragraph


@dataclass(frozen=True, slots=True)
class Kind:
    """The view, layer and state of gradients of a run. Only gradients of the same kind can be compared."""

    view: str = "single"
    layer: int = 0
    state: str = "h"


class GradientsPane(PaintedPane):
    """A histogram of the gradient for every time step: now, at a moment of the run, or both."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.GRADIENTS]
    INSTRUMENT = "gradients"
    ANSWERS = ("gradients",)
    VIEWS = get_args(GradientView)
    HELP: ClassVar[str] = """\
## Gradients

To learn from the past, the loss must send a gradient back through the time steps. This pane shows how much of it
arrives at every step, for one fixed batch of at most 16 windows of the held-out text, before clipping. The top line
says how many windows there are.

**Rows** are time steps, the newest on top, t = 0 (the oldest) at the bottom. Each row is a histogram of the step's
gradient values: zero in the middle, negative to the left, positive to the right, on one logarithmic scale for all
rows and all moments. The column at 0 counts zeros and values too small for the scale; `«` and `»` mark values beyond
it. The height is the square root of the count; columns of larger values have warmer colours.

**Beside t** stands the character that the first of the windows reads there.

**‖G_t‖** is the length of a window's part of the gradient at that step, on one logarithmic scale for the whole run, at
least six powers of ten long: the number and the dot are of the median window, and four windows of five lie on the thin
line. A curve that falls towards t = 0 is a *vanishing* gradient; one that rises is an *exploding* one. Each step back
multiplies the gradient by ∂h_t/∂h_t₋₁: if that shortens it again and again, almost nothing arrives at the first
character. The ratio of both ends is taken window by window: its median and the limits of four of five are shown. The
triangle is of *all windows together*: a few with large gradients outweigh the others there.

**σ** is the largest singular value of the recurrent matrix (of each gate's block), **ρ** its spectral radius. In a
plain RNN, σ above 1 is necessary for an explosion but not sufficient, because the slopes of tanh work against it. In a
cell with gates, σ of the blocks decides neither vanishing nor explosion: there the gates add paths of their own, and
what counts is how fast the derivative of the whole state grows.

**Try**: train the same RNN twice, `--cell rnn --init normal:0.01` and `--cell rnn --init orthogonal`, and compare the
curves at step 0. An orthogonal W_hh keeps a gradient's length, so that only the slopes of tanh shrink it. For an LSTM,
compare `--forget-bias 0` and `--forget-bias 1`: a forget gate that begins open lets more gradient pass.

**Views** (`v`): *single* sends back the loss of the last step alone. *training* sends back the loss that is trained; it
may be a sum over many steps, which can hide that the gradient of each loss vanishes. *triangle* shows the gradient of
every loss s at every step t: a digit counts the powers of ten below the largest.

**Moments**: `(` and `)` go to the weights of earlier and later moments of the run. `m` draws now (●) above the moment
(○), step by step.

What it does not show: how well the network predicts. A gradient that arrives may still teach nothing.
"""

    def __init__(self, **options: str | None) -> None:
        super().__init__(**options)
        self._forget()

    def _forget(self) -> None:
        self._kind = Kind()
        self._layers = 1
        self._cell = "rnn"
        self._last_loss_only = False
        self._flow: GradientFlow | None = None
        self._now: GradientFlow | None = None  # to be laid over `_flow`, which is then of a moment
        self._older = False  # `_flow` lies far behind the run
        self._place = "live"  # "last" once the run has ended
        self._extent: tuple[int, int] | None = None
        self._norms: tuple[float, float] | None = None  # the smallest and the largest ‖G_t‖ of the run so far

    # --- from the run ----------------------------------------------------------------------

    def begin(self, info: RunInfo) -> None:
        self._forget()
        self._layers = int(info.config.get("layers", 1))
        self._cell = str(info.config.get("cell", "rnn"))
        self._last_loss_only = info.config.get("loss") == "last"
        self._changed()

    def show(self, snapshot: Snapshot) -> None:
        flow, now = snapshot.gradients, None if snapshot.now is None else snapshot.now.gradients
        if flow is None:
            return
        older = self.is_older(flow.step, snapshot.step)
        place = "moment" if self.moment is not None else "last" if snapshot.is_over else "live"
        same = flow is self._flow and now is self._now
        if not same or (older, place) != (self._older, self._place):
            self._flow, self._now, self._older, self._place = flow, now, older, place
            for each in (flow, now):
                if each is not None:
                    self._widen(each)
            self._changed()

    def _widen(self, flow: GradientFlow) -> None:
        """Extend both scales to `flow`. They never shrink, so that moments can be compared by eye."""
        self._norms = norm_limits([flow], self._norms)
        used = occupied(flow.counts)
        if used is not None:
            first, last = self._extent or used
            self._extent = (min(first, used[0]), max(last, used[1]))

    # --- drawing ---------------------------------------------------------------------------

    def _changed(self) -> None:
        kind = kind_of(self._flow) if self._flow else self._kind
        asked = "" if kind == self._kind else f" → {self._kind.view} …"
        self.entitle("Gradients", f"{kind.view} · {kind.state} of layer {kind.layer + 1}/{self._layers}{asked}")
        self.repaint()

    def paint(self, width: int, height: int, palette: Palette) -> list[Strip]:
        flow, marked = self._flow, None
        if flow is None:
            return paragraph("Waiting for the first gradients …", width, height, DIM)
        if self._now is not None and comparable(self._now, flow):
            flow, marked = self._now, flow
        words = verdict(flow, self._last_loss_only)
        found = [Saying(words, words.partition(": ")[0].rstrip(".") + "."), Saying(matrix_note(flow, self._cell), "")]
        foot = as_lines(fitted(found, width, min((height - 5) // 3, 3)), width, BOLD)
        matrix = self._matrix_line(flow, marked, width) if height >= 6 else []
        head = line(fit(self._head(flow, marked, palette, width, brief=not foot), width), width)
        gap = height >= 30
        room = height - 1 - len(foot) - bool(matrix) - gap
        if flow.view == "triangle":
            picture = triangle_picture(flow, width, room, palette)
        else:
            axis = norm_axis(self._norms)
            picture = histogram_picture(flow, marked, self._extent, width, room, palette, axis)
        picture += [Strip.blank(width)] * (1 if gap else room - len(picture))
        return [head, *picture, *([line(matrix, width)] if matrix else []), *foot]

    def _head(
        self, flow: GradientFlow, marked: GradientFlow | None, palette: Palette, width: int, brief: bool
    ) -> list[Span]:
        step = f"{NOW} {at_step(flow.step, self._older)}"
        parts: list[Span] = [(step, DIM if self._older else palette.now if marked else BOLD)]
        if marked is not None:
            parts += [("now", PLAIN), (f"{KEPT} step {marked.step:,}", palette.kept)]
        parts.append((self._place, PLAIN))
        parts.append((summary(flow), BOLD) if brief else (windows_of(flow), PLAIN))
        if flow.characters and flow.view != "triangle":
            parts.append(("characters of the first", DIM))
        return parts

    def _matrix_line(self, flow: GradientFlow, marked: GradientFlow | None, width: int) -> list[Span]:
        ratios = ratio_and_spread(flow)
        if marked is not None:
            ratios = f"{NOW} {power(ratio(flow).median)} {KEPT} {power(ratio(marked).median)}"
        parts = [(f"‖G_0‖/‖G_{len(flow.norms) - 1}‖ {ratios}", BOLD)]
        for name, values in (("σ", flow.sigma), ("ρ", flow.rho)):
            parts.append((matrix_words(values, name, short=width < 60), PLAIN))
        return fit(parts, width)

    # --- keys ------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "state":
            return len(cell_of(self._cell).states) > 1
        return self._layers > 1 if action == "layer" else True

    @property
    def view(self) -> str:
        return self._kind.view

    def choose_view(self, view: str) -> None:
        if view != self._kind.view:
            self._ask(view=view)

    def action_layer(self) -> None:
        self._ask(layer=(self._kind.layer + 1) % self._layers)

    def action_state(self) -> None:
        self._ask(state="c" if self._kind.state == "h" else "h")

    def _ask(self, **changes: Any) -> None:
        self._kind = replace(self._kind, **changes)
        self.post_message(ViewChanged(**{f"gradient_{name}": value for name, value in asdict(self._kind).items()}))
        self._changed()


def kind_of(flow: GradientFlow) -> Kind:
    """The kind of `flow`."""
    return Kind(flow.view, flow.layer, flow.state)


def comparable(one: GradientFlow, other: GradientFlow) -> bool:
    """Whether the histograms of two flows can be drawn above each other."""
    same = kind_of(one) == kind_of(other) and one.counts.shape == other.counts.shape
    return same and np.array_equal(one.edges, other.edges)
