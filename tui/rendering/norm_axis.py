"""The axis of ‖G_t‖: logarithmic and never short, so that a gradient that shrinks a little looks as if it did so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.session.messages import GradientFlow
from tui.rendering.gradient_windows import spread_norms, typical_norms
from tui.rendering.strips import DIM, Span

LEAST_DECADES = 6
LOWEST = -46  # a power of ten just below float32's smallest number: what is smaller is zero in training
TICK, BAND = "┊", "─"  # a value of the ruler; the values of most windows


@dataclass(frozen=True, slots=True)
class NormAxis:
    """A logarithmic axis from 10^`low` to 10^`high`: whole decades, an even number of them, so that half-way is one."""

    low: int
    high: int

    def place(self, value: float, width: int) -> int:
        """The cell of `value` among `width`; values beyond the axis, 0 too, lie at its ends."""
        if value <= 0:
            return 0
        return round(min(max((math.log10(value) - self.low) / (self.high - self.low), 0.0), 1.0) * (width - 1))

    def ruler(self, width: int) -> tuple[str, list[int]]:
        """The line of numbers for `width` cells, both ends among them if they fit, and the cells of its numbers."""
        span = self.high - self.low
        for every in (each for each in range(1, span + 1) if span % each == 0):
            ticks = [self.place(10.0**power, width) for power in range(self.low, self.high + 1, every)]
            labels = [f"1e{power}" for power in range(self.low, self.high + 1, every)]
            starts = [
                min(max(tick - len(text) // 2, 0), width - len(text)) for tick, text in zip(ticks, labels, strict=True)
            ]
            ends = [-1, *(start + len(text) for start, text in zip(starts, labels, strict=True))]
            if all(end < start for end, start in zip(ends, starts, strict=False)):
                line = ""
                for start, text in zip(starts, labels, strict=True):
                    line = line.ljust(start) + text
                return line.ljust(width), ticks
        return " " * width, []


def norm_axis(limits: tuple[float, float] | None) -> NormAxis:
    """The axis that shows all norms between the `limits`; at least six decades, more at its lower end."""
    low, high = limits or (1.0, 1.0)
    top = max(math.ceil(math.log10(high) - 1e-9), LOWEST + LEAST_DECADES)
    bottom = min(max(math.floor(math.log10(low) + 1e-9), LOWEST), top - LEAST_DECADES)
    return NormAxis(bottom - (top - bottom) % 2, top)


def norm_limits(
    flows: Sequence[GradientFlow], known: tuple[float, float] | None = None, *, bands: bool = True
) -> tuple[float, float] | None:
    """The smallest and the largest positive finite norm of all flows, with their `bands`, and of those `known` before.

    None if there is none.
    """
    curves = [typical_norms(flow) for flow in flows]
    limits = [spread_norms(flow) for flow in flows] if bands else []
    norms = np.concatenate([*curves, *(each.ravel() for each in limits if each is not None), np.array(known or ())])
    usable = norms[(norms > 0) & np.isfinite(norms)]
    return (float(usable.min()), float(usable.max())) if len(usable) else None


def dot(
    value: float, axis: NormAxis, span: Span, width: int, ticks: Sequence[int], band: tuple[float, float] | None = None
) -> list[Span]:
    """One line of a curve that runs downwards: `span` at the place of `value` on `axis`.

    `band` has the values between which a thin line is drawn. `ticks` are the cells of the ruler's numbers.
    """
    cells = [TICK if cell in ticks else " " for cell in range(width)]
    if width < 1 or not 0 < value < math.inf:
        return [("".join(cells), DIM)]
    middle = axis.place(value, width)
    start, stop = (middle, middle) if band is None else (axis.place(limit, width) for limit in band)
    cells[start : stop + 1] = BAND * (stop + 1 - start)
    return [("".join(cells[:middle]), DIM), span, ("".join(cells[middle + 1 :]), DIM)]
