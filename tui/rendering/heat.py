"""Numbers as coloured cells: one row of a heat map, and a text in the colour of one row."""

from __future__ import annotations

import math

import numpy as np

from engine.messages import Floats
from tui.rendering.colour import Palette, Ramp
from tui.rendering.strips import Span

GATE_LIMITS = (0.0, 1.0)


def limits(kind: str, cell: str, values: Floats) -> tuple[float, float]:
    """The values that the ends of the colours stand for: ±1 for h and the new values n and g, 0 … 1 for gates.

    c has no bound; its limit is the next of 1, 2, 5, 10, … above all values, the same on both sides.
    """
    if kind == "c":
        top = float(np.nan_to_num(np.abs(values)).max(initial=0.0))
        limit = next((f * 10.0**e for e in range(9) for f in (1, 2, 5) if f * 10.0**e >= top), 1e9)
        return -limit, limit
    if kind == "h" or (cell, kind) in (("gru", "n"), ("lstm", "g")):
        return -1.0, 1.0
    return GATE_LIMITS


def scaled(values: Floats, low: float, high: float) -> Floats:
    """Values on the scale of the ramp that `ramp_for` gives: -1 … 1 if `low` is negative, else 0 … 1."""
    return np.asarray(values, dtype=float) / max(abs(low), abs(high))


def ramp_for(palette: Palette, low: float) -> Ramp:
    """Orange to blue around zero, or from little to much."""
    return palette.diverging if low < 0 else palette.heat


def heat_row(values: Floats, widths: list[int], ramp: Ramp, depth: str) -> list[Span]:
    """One row of scaled values, each as wide as its character. Marks are drawn where colours are few."""
    marks = ramp.marks if depth in ("16", "none") else " " * len(ramp.marks)
    levels = ramp.levels(values).tolist()
    return [(marks[level] * cells, ramp.styles[level]) for level, cells in zip(levels, widths, strict=True)]


def text_row(chars: list[str], values: Floats, ramp: Ramp) -> list[Span]:
    """Characters on the colours of scaled values."""
    return [(char, ramp.styles[level]) for char, level in zip(chars, ramp.levels(values), strict=True)]


def sign_mark(value: float) -> str:
    """The sign of a value between -1 and 1 and how large it is, as one character: ▼ ▾ - blank + ▴ ▲."""
    if math.isnan(value) or abs(value) < 0.1:
        return " "
    return ("+▴▲" if value > 0 else "-▾▼")[min(int(abs(value) * 3), 2)]
