"""Axes of a chart: which part of the data is visible, where it lies on the screen, and round numbers for ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from engine.arrays import Array

Ticks = tuple[tuple[float, str], ...]  # position and label

SMALLEST_SHARE = 1e-3  # of the data that is visible at the highest zoom

_MINUTE, _HOUR, _DAY = 60, 3600, 86400  # seconds
_TIME_STEPS = (1, 2, 5, 10, 15, 30, *(_MINUTE * n for n in (1, 2, 5, 10, 15, 30)))
_TIME_STEPS += (*(_HOUR * n for n in (1, 2, 3, 6, 12)), *(_DAY * n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500)))
_LOG_DIGITS: Sequence[Sequence[int]] = (range(1, 10), (1, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))


@dataclass(frozen=True, slots=True)
class Axis:
    """The visible range, `low` < `high`, and its ticks."""

    low: float
    high: float
    ticks: Ticks = ()
    log: bool = False

    def place(self, values: Array) -> Array:
        """Map `low` to 0 and `high` to 1, all values accordingly; those without a place (NaN, log of 0) become NaN."""
        low, high = np.float64(self.low), np.float64(self.high)
        values = np.asarray(values, np.float64)
        with np.errstate(all="ignore"):
            if self.log:
                low, high, values = np.log(low), np.log(high), np.log(np.where(values > 0, values, np.nan))
            share = (values / 2 - low / 2) / (high / 2 - low / 2)  # halves, so that no range overflows
        placed: Array = np.where(np.isfinite(values), share, np.nan)
        return placed


@dataclass(frozen=True, slots=True)
class VisibleRange:
    """The part of growing data that is visible: `width` units that end at `right`.

    `width` None shows everything; `right` None follows the newest point.
    """

    width: float | None = None
    right: float | None = None

    def limits(self, first: float, last: float) -> tuple[float, float]:
        """The visible part of data that extends from `first` to `last`."""
        if self.width is None:
            return first, last
        right = last if self.right is None else min(max(self.right, first + self.width), last)
        return max(first, right - self.width), right

    def zoom(self, factor: float, about: float | None, first: float, last: float) -> VisibleRange:
        """Show `factor` times as much. The x `about` keeps its place on the screen, or the right end if it is None."""
        low, high = self.limits(first, last)
        width = max((high - low) * factor, (last - first) * SMALLEST_SHARE)
        if width >= last - first:
            return VisibleRange()
        if about is None or not low < high:
            return VisibleRange(width, self.right)
        right = about + (high - about) / (high - low) * width
        return VisibleRange(width, None if right >= last else max(right, first + width))

    def pan(self, share: float, first: float, last: float) -> VisibleRange:
        """Move right by `share` of the visible width, left if negative. At the right end, follow the newest point."""
        if self.width is None:
            return self
        right = self.limits(first, last)[1] + share * self.width
        return VisibleRange(self.width, None if right >= last else max(right, first + self.width))

    def reveal(self, place: float, first: float, last: float) -> VisibleRange:
        """Move just far enough to show `place`."""
        low, high = self.limits(first, last)
        if self.width is None or low <= place <= high:
            return self
        return VisibleRange(self.width, place if place > high else place + self.width)


def span(groups: Iterable[Array], *, log: bool = False) -> tuple[float, float]:
    """The lowest and the highest value that can be drawn: finite and, if `log`, positive.

    Limits that (nearly) coincide are moved apart. If there is no such value: (0, 1), or (0.1, 1) if `log`.
    """
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


def linear_ticks(low: float, high: float, most: int) -> Ticks:
    """At most `most` multiples of 1, 2 or 5 times a power of ten between `low` and `high`."""
    width = high - low
    if not (math.isfinite(width) and width > 0 and most > 0) or width < max(1e-9 * max(abs(low), abs(high)), 1e-300):
        return ()
    power = 10.0 ** math.floor(math.log10(width / most))
    step = next((power * digit for digit in (1, 2, 5, 10, 20) if _count(low, high, power * digit) <= most), width)
    return tuple((position, _number(position, step)) for position in _multiples(low, high, step))


def log_ticks(low: float, high: float, most: int) -> Ticks:
    """At most `most` round numbers for a logarithmic axis, such as 1 2 5 10 20 50; as on a linear one if narrow."""
    if not (0 < low < high < math.inf and most > 0):
        return ()
    powers = range(max(math.floor(math.log10(low)), -300), min(math.ceil(math.log10(high)), 300) + 1)
    for digits in _LOG_DIGITS:
        ticks = [
            (digit * 10.0**power, _number(digit * 10.0**power, 10.0**power)) for power in powers for digit in digits
        ]
        ticks = [tick for tick in ticks if low <= tick[0] <= high]
        if 2 <= len(ticks) <= most:
            return tuple(ticks)
    if len(powers) <= 3:
        return linear_ticks(low, high, most)
    every = math.ceil(len(powers) / most)
    return tuple((10.0**power, f"1e{power}") for power in powers[::every] if low <= 10.0**power <= high)


def time_ticks(low: float, high: float, most: int) -> Ticks:
    """At most `most` round times between `low` and `high` seconds."""
    if high - low < 1:
        return tuple((position, f"{label}s") for position, label in linear_ticks(low, high, most))
    step = next((step for step in _TIME_STEPS if _count(low, high, step) <= most), None)
    return () if step is None else tuple((position, _time(position)) for position in _multiples(low, high, step))


def _count(low: float, high: float, step: float) -> int:
    return max(0, math.floor(high / step + 1e-9) - math.ceil(low / step - 1e-9) + 1)


def _multiples(low: float, high: float, step: float) -> list[float]:
    first = math.ceil(low / step - 1e-9)
    return [(first + i) * step for i in range(_count(low, high, step))]


def _number(value: float, step: float) -> str:
    """`value` with as many decimals as multiples of `step` need; thousands as k, millions as M."""
    if value == 0:
        return "0"
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if step >= unit or (abs(value) >= unit and step >= unit / 10):
            return f"{value / unit:.4g}{name}" if abs(value) < 1e4 * unit else f"{value:.3g}"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:.{decimals}f}" if decimals < 5 and abs(value) < 1e6 else f"{value:.3g}"


def _time(seconds: float) -> str:
    """`45s`, `5m`, `1h30`, `2d6h`."""
    seconds = round(seconds)
    days, hours, minutes = seconds // _DAY, seconds % _DAY // _HOUR, seconds % _HOUR // _MINUTE
    if days:
        return f"{days}d{hours}h" if hours else f"{days}d"
    if hours:
        return f"{hours}h{minutes:02}" if minutes else f"{hours}h"
    if minutes:
        return f"{minutes}m{seconds % _MINUTE:02}" if seconds % _MINUTE else f"{minutes}m"
    return f"{seconds}s" if seconds else "0"
