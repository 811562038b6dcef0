"""Points before they are drawn: the part in view, thinned to what a screen can show, and their limits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def cut(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """The part of a line with 0 ≤ x ≤ 1 (x must not fall), with the points where it enters and leaves."""
    known = np.isfinite(x)
    x, y = x[known], y[known]
    first, last = int(np.searchsorted(x, 0.0)), int(np.searchsorted(x, 1.0, side="right"))
    inner_x, inner_y = x[first:last], y[first:last]
    if 0 < first < len(x):
        inner_x, inner_y = np.r_[0.0, inner_x], np.r_[_between(x, y, first, 0.0), inner_y]
    if 0 < last < len(x):
        inner_x, inner_y = np.r_[inner_x, 1.0], np.r_[inner_y, _between(x, y, last, 1.0)]
    return inner_x, inner_y


def _between(x: Floats, y: Floats, index: int, place: float) -> float:
    with np.errstate(all="ignore"):  # NaN stays NaN: a gap
        share = (place - x[index - 1]) / (x[index] - x[index - 1])
        return float(y[index - 1] * (1 - share) + y[index] * share)


def decimate(x: Floats, y: Floats, columns: int) -> tuple[Floats, Floats]:
    """At most two points for each of `columns` over 0 ≤ x ≤ 1: the lowest and the highest, so that spikes stay.

    Points come back in their order; a column in which some y is NaN keeps one NaN, so gaps stay too.
    """
    if len(x) <= 2 * columns:
        return x, y
    column = np.minimum((np.nan_to_num(x) * columns).astype(np.intp), columns - 1)
    order = np.lexsort((y, column))  # NaN sorts last within its column
    starts = np.flatnonzero(np.r_[True, np.diff(column[order]) > 0])
    ends = np.r_[starts[1:], len(order)] - 1
    chosen = np.unique(order[np.r_[starts, ends]])
    return x[chosen], y[chosen]


def span(groups: Iterable[Floats], *, log: bool = False) -> tuple[float, float]:
    """The lowest and highest drawable value of all, some way apart; (0, 1) (log: (0.1, 1)) where there is none."""
    low, high = np.inf, -np.inf
    for group in groups:
        values = np.asarray(group, np.float64)
        values = values[np.isfinite(values) & (values > 0 if log else True)]
        if len(values):
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    if low > high:
        return (0.1, 1.0) if log else (0.0, 1.0)
    if high - low <= 1e-6 * abs(high):
        return (low / 1.2, high * 1.2) if log else (low - 0.1 * (abs(low) or 1.0), high + 0.1 * (abs(high) or 1.0))
    return low, high
