"""The triangle of norms ‖∂ℓ_s/∂h_t‖: each cell says how many powers of ten it lies below the largest."""

from __future__ import annotations

import math

import numpy as np

from engine.messages import Floats
from tui.rendering.colour import Ramp
from tui.rendering.strips import DIM, PLAIN, Span

FAR, ZERO = "·", "×"  # ten powers and more below, exactly zero
DECADES = 10


def decades_below(triangle: Floats) -> tuple[Floats, float]:
    """log10(max / value) of each cell, inf where it is zero or not finite, and that maximum (0 if nothing is above)."""
    values = np.where(np.isfinite(triangle), np.asarray(triangle, dtype=float), 0.0)
    largest = float(values.max(initial=0.0))
    below = np.full(values.shape, math.inf)
    positive = values > 0
    below[positive] = np.log10(largest) - np.log10(values[positive])
    return below, largest


def cell(below: float, ramp: Ramp, wide: bool) -> Span:
    """One cell: a digit on a colour that fades with it, one or two columns wide."""
    if below < DECADES:
        glyph, style = str(int(below)), ramp.style(1 - below / DECADES)
    else:
        glyph, style = (ZERO if math.isinf(below) else FAR), DIM
    return (glyph + " " if wide else glyph, style)


def triangle_row(below: Floats, s: int, steps: list[int], ramp: Ramp, wide: bool) -> list[Span]:
    """The loss of step `s` against the steps t in `steps`, blank where t > s."""
    blank = ("  " if wide else " ", PLAIN)
    return [cell(float(below[s, t]), ramp, wide) if t <= s else blank for t in steps]
