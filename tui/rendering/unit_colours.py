"""The colours and signs of the values of units: orange below zero, blue above, or from little to much."""

from __future__ import annotations

import math

import numpy as np

from engine.arrays import Array
from engine.session.messages import cell_of
from tui.rendering.colour import Palette, Ramp
from tui.rendering.strips import Span

GATE_LIMITS = (0.0, 1.0)


def limits(kind: str, cell: str, values: Array) -> tuple[float, float]:
    """The values at the two ends of the colours: 0 and 1 for gates that are sigmoids, -1 and 1 for h and candidates.

    For a state without bounds, as the LSTM's c, they are ±x; x is the least of 1, 2, 5, 10, … that no value exceeds.
    """
    described = cell_of(cell)
    if kind in described.unbounded:
        top = float(np.nan_to_num(np.abs(values)).max(initial=0.0))
        limit = next((f * 10.0**e for e in range(9) for f in (1, 2, 5) if f * 10.0**e >= top), 1e9)
        return -limit, limit
    return GATE_LIMITS if kind in described.sigmoids else (-1.0, 1.0)


def scaled(values: Array, low: float, high: float) -> Array:
    """`values` on the scale of the ramp that `ramp_for` returns: -1 … 1 if `low` is negative, else 0 … 1."""
    return np.asarray(values, dtype=float) / max(abs(low), abs(high))


def ramp_for(palette: Palette, low: float) -> Ramp:
    """The ramp from orange to blue around zero if `low` is negative, else the one from little to much."""
    return palette.diverging if low < 0 else palette.heat


def heat_row(values: Array, widths: list[int], ramp: Ramp) -> list[Span]:
    """One row of scaled values, each as wide as its character, in the ramp's colours and marks."""
    marks = ramp.marks or " " * len(ramp.styles)
    levels = ramp.levels(values).tolist()
    return [(marks[level] * cells, ramp.styles[level]) for level, cells in zip(levels, widths, strict=True)]


def text_row(chars: list[str], values: Array, ramp: Ramp) -> list[Span]:
    """Each character on the colour of its scaled value."""
    return [(char, ramp.styles[level]) for char, level in zip(chars, ramp.levels(values), strict=True)]


def sign_mark(value: float) -> str:
    """Sign and size of a value between -1 and 1 as one character: ▼ ▾ - blank + ▴ ▲."""
    if math.isnan(value) or abs(value) < 0.1:
        return " "
    return ("+▴▲" if value > 0 else "-▾▼")[min(int(abs(value) * 3), 2)]
