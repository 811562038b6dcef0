"""The pictures of the view *spectrum*: eigenvalues in the complex plane, Lyapunov exponents, and what follows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.style import Style
from textual.strip import Strip

from engine.arrays import Array
from engine.session.messages import Eigenvalues, Exponents, cell_of, memory_time
from tui.rendering.canvas import Canvas
from tui.rendering.colour import Palette
from tui.rendering.numbers import at_step, bar, plain, signed, sparkline
from tui.rendering.sentences import Saying, fitted
from tui.rendering.strips import BOLD, DIM, PLAIN, Span, as_lines, fit, line, paragraph

ROOM_FOR_BOTH, FACTS = 70, 42  # cells of width from which on the facts stand beside the plane, and what they need
LEAST_PLANE = 5  # lines
WIDEST_PLANE = 96  # cells
SEVERAL = "+"  # in a cell with eigenvalues of several gates
CIRCLE = np.linspace(0, 2 * math.pi, 720, endpoint=False)
FARTHEST = 2.0  # from the middle: eigenvalues beyond are drawn at this distance, so that the others are not crowded
MARGIN = 1.1  # the plane goes so many times as far as the farthest eigenvalue, or the circle
STILL = 0.01  # |λ₁| below which a difference hardly changes in the 100 characters of a stretch


@dataclass(frozen=True, slots=True)
class SpectrumContent:
    """Everything that the picture depends on, apart from its size and its colours."""

    cell: str
    eigenvalues: Eigenvalues | None = None
    exponents: Exponents | None = None
    lambda1: tuple[float, ...] = ()  # over the training so far
    gate: str = ""  # the only one whose eigenvalues are shown; empty for all
    older: bool = False  # the answers lie far behind the run

    def is_other_than(self, before: SpectrumContent) -> bool:
        """Whether there is something new to draw."""
        answers = (self.eigenvalues, self.exponents), (before.eigenvalues, before.exponents)
        is_same = all(one is other for one, other in zip(*answers, strict=True))
        return not is_same or (self.lambda1, self.older) != (before.lambda1, before.older)


def spectrum_picture(content: SpectrumContent, width: int, height: int, palette: Palette) -> list[Strip]:
    """At most `height` lines: the plane, and the facts beside it or beneath it."""
    if content.eigenvalues is None and content.exponents is None:
        return paragraph("Waiting for the first spectrum …", width, height, DIM)
    gates = shown_gates(content)
    if not gates:
        return _facts(content, width, height, palette)
    if width >= ROOM_FOR_BOTH and height >= LEAST_PLANE:
        across = min(2 * height, width - FACTS - 2, WIDEST_PLANE)
        left = plane(gates, across, height, palette)
        right = _facts(content, width - across - 2, height, palette)
        right += [Strip.blank(width - across - 2)] * (height - len(right))
        return [Strip.join([one, Strip.blank(2), other]) for one, other in zip(left, right, strict=True)]
    lines = [line(fit(_first(content), width), width), line(fit(_legend(content, palette), width, "  "), width)]
    curve = [line(_curve(content.lambda1, width), width)] if len(content.lambda1) > 1 else []
    words = paragraph(f"{_when(content)}: {_brief(content)}", width, 3)
    for more in (words, curve):  # the words first, where there is no room for all
        lines += more if height - len(lines) - len(more) >= LEAST_PLANE else []
    room = height - len(lines)
    return [*lines, *(plane(gates, width, room, palette) if room >= LEAST_PLANE else [])][:height]


def shown_gates(content: SpectrumContent) -> dict[str, Array]:
    """The eigenvalues that are drawn, (H, 2) for each gate."""
    gates = content.eigenvalues.gates if content.eigenvalues is not None else {}
    return {name: values for name, values in gates.items() if content.gate in ("", name)}


def plane(gates: dict[str, Array], width: int, height: int, palette: Palette) -> list[Strip]:
    """`height` lines: the unit circle, and each eigenvalue as the letter of its gate; as a dot if there is one gate."""
    gates = {gate: _near(values) for gate, values in gates.items()}
    every = np.concatenate(list(gates.values()))
    half = MARGIN * max(1.0, float(np.abs(every).max(initial=0.0)))
    canvas = Canvas.even(half, width, height)
    canvas.dots(np.linspace(-1, 1, 60) * half * width, np.zeros(60), DIM)
    canvas.dots(np.cos(CIRCLE), np.sin(CIRCLE), DIM)
    if len(gates) == 1:
        canvas.dots(every[:, 0], every[:, 1], _style(palette, 0, alone=True))
        return canvas.strips()
    taken = np.full((height, width), -1)
    for number, (gate, values) in enumerate(gates.items()):
        columns, rows = canvas.cells(values[:, 0], values[:, 1])
        for column, row in zip(columns.tolist(), rows.tolist(), strict=True):
            is_shared = taken[row, column] not in (-1, number)
            taken[row, column] = number
            sign, style = (SEVERAL, BOLD) if is_shared else (gate, _style(palette, number))
            canvas.put(column, row, sign, style)
    return canvas.strips()


def _near(values: Array) -> Array:
    """The finite points, those beyond `FARTHEST` moved towards the middle to that distance."""
    values = values[np.isfinite(values).all(axis=1)]
    distance = np.hypot(values[:, 0], values[:, 1])
    return np.asarray(values * np.minimum(1, FARTHEST / np.maximum(distance, FARTHEST))[:, None])


def _style(palette: Palette, number: int, *, alone: bool = False) -> Style:
    return Style.combine([palette.now, BOLD]) if alone else palette.of_kind(number)


def _facts(content: SpectrumContent, width: int, height: int, palette: Palette) -> list[Strip]:
    """At most `height` lines, the most important first; the sentences come last and get what room is left."""
    found = content.exponents
    heads = (_first(content), " · "), (_legend(content, palette), "  "), (_head(content), " · ")
    lines = [line(fit(spans, width, separator), width) for spans, separator in heads if spans]
    about = [*_about_exponents(content), *_about_eigenvalues(content)]
    words = as_lines(fitted(about, width, height - len(lines)), width)
    rest: list[Strip] = []
    room = height - len(lines) - len(words)
    if len(content.lambda1) > 1 and room >= 1:
        rest.append(line(_curve(content.lambda1, width), width))
    if found is not None and len(found.values) > 1 and room - len(rest) >= 2:
        count = min(len(found.values), room - len(rest))
        rest += [line(spans, width) for spans in _bars(found.values[:count], width, palette)]
    return [*lines, *rest, *words][:height]


def _head(content: SpectrumContent) -> list[Span]:
    """Of when the answers are, and over how many characters the exponents were measured."""
    parts: list[Span] = [(_when(content), DIM)]
    found = content.exponents
    if found is not None and len(found.values):
        parts.append((f"{len(found.values)} of {found.states:,} exponents", DIM))
        parts.append((f"over {found.characters:,} characters", DIM))
    return parts


def _when(content: SpectrumContent) -> str:
    step = next(found.step for found in (content.exponents, content.eigenvalues) if found is not None)
    return at_step(step, content.older)


def _first(content: SpectrumContent) -> list[Span]:
    """λ₁ and the memory time."""
    if content.exponents is None:
        return [("λ₁ is being measured …", DIM)]
    if not len(content.exponents.values):
        return []
    lambda1 = float(content.exponents.values[0])
    time = memory_time(lambda1)
    words = f"memory time {_characters(time)}" if math.isfinite(time) else ""
    return [(f"λ₁ {signed(lambda1, 3)}", BOLD), (words, BOLD)]


def _characters(count: float) -> str:
    return f"{count:.3g} characters" if count < 1000 else f"{count:,.0f} characters"


def _legend(content: SpectrumContent, palette: Palette) -> list[Span]:
    """Each gate's letter in its colour, with its spectral radius."""
    if content.eigenvalues is None:
        return []
    gates = content.eigenvalues.gates
    spans: list[Span] = []
    for number, (gate, values) in enumerate(gates.items()):
        radius = float(np.hypot(values[:, 0], values[:, 1]).max(initial=0.0)) if len(values) else math.nan
        alone = len(gates) == 1 or gate == content.gate
        style = _style(palette, number, alone=alone) if content.gate in ("", gate) else DIM
        spans.append((f"{gate} ρ {plain(radius)}", style))
    return spans


def _curve(values: Sequence[float], width: int) -> list[Span]:
    finite = [value for value in values if math.isfinite(value)]
    low, label = min(finite), "λ₁ over the training: "
    label = label if width >= len(label) + 24 else "λ₁ so far: "
    ends = f"{signed(low, 3)} ", f" {signed(max(finite), 3)}"
    curve = sparkline(finite, max(min(width - len(label) - len(ends[0] + ends[1]), 40), 1), low)
    return [(label, DIM), (ends[0], DIM), (curve, BOLD), (ends[1], DIM)]


def _bars(values: Array, width: int, palette: Palette) -> list[list[Span]]:
    """A line for each exponent: the longer its bar, the faster differences shrink, or grow if it is above 0."""
    finite = np.abs(values[np.isfinite(values)])
    most = float(finite.max(initial=0.0))
    rows = []
    for number, value in enumerate(values.tolist(), start=1):
        share = abs(value) / most if most and math.isfinite(value) else float(value == -math.inf)
        name = f"λ{_index(number)} {signed(value, 3)} "
        style = palette.kept if value > 0 else palette.now
        rows.append([(name, PLAIN), (bar(share, max(min(width - len(name), 40), 1)), style)])
    return rows


def _index(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def _about_exponents(content: SpectrumContent) -> list[Saying]:
    if content.exponents is None:
        return []
    values = content.exponents.values
    if not len(values):
        return [Saying(f"The equations of a {content.cell} are not known here, so that it has no exponents.", "")]
    return [Saying(sentence(float(values[0])), _brief(content))]


def _brief(content: SpectrumContent) -> str:
    """What follows, and what does not, in a few words."""
    if content.exponents is None or not len(content.exponents.values):
        return ""
    lambda1 = float(content.exponents.values[0])
    if not math.isfinite(lambda1) or abs(lambda1) < STILL:
        return sentence(lambda1)
    if lambda1 < 0:
        return "Nearby states come together. It does not say what the network remembers."
    return "Nearby states move apart: chaos. It does not say that the network predicts badly."


def sentence(lambda1: float) -> str:
    """What follows from λ₁, and what does not."""
    if math.isnan(lambda1):
        return "The state is not finite: there is nothing to measure."
    if lambda1 == -math.inf:
        return "A small difference of the state is gone after one character."
    if abs(lambda1) < STILL:
        return (
            "λ₁ is near 0: a small difference of the state neither grows nor shrinks much for as long as is measured. "
            "It does not say what the network remembers."
        )
    time = _characters(abs(1 / lambda1))
    if lambda1 < 0:
        return (
            f"λ₁ < 0: two nearby states that read the same text come together, by a factor e in {time}. "
            "It does not say what the network remembers."
        )
    return (
        f"λ₁ > 0: two nearby states that read the same text move apart, by a factor e in {time}, until the "
        "cell's bounds stop them: that is chaos. It does not say that the network predicts badly."
    )


def _about_eigenvalues(content: SpectrumContent) -> list[Saying]:
    if not cell_of(content.cell).recurrent:
        none = f"A {content.cell} has no W_hh, so there are no eigenvalues to draw"
        return [Saying(f"{none}; its exponents come from its gates.", f"{none}.")]
    if content.eigenvalues is None:
        return []
    if content.cell == "rnn":
        return [Saying("An eigenvalue outside the circle lengthens h only where the slopes of tanh let it.", "")]
    nothing = "In a cell with gates the eigenvalues of one gate's block decide nothing"
    return [Saying(f"{nothing}; the exponents have all gates in them.", f"{nothing}.")]
