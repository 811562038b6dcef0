"""Draws a chart as strips. This is the only file that uses plotext.

plotext's native part ends the process on a NaN inside a connected line, raises on infinities and on the logarithm of
numbers that are not positive, and picks ticks like 1.5837. So this file gives it only points that it can draw: they are
checked, cut to the visible range, thinned out and mapped to 0 … 1. `axes` chooses the ticks. Colour numbers serve as
names: curve number i is drawn in colour number i, and in plotext's output that colour is replaced by the curve's style.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from engine.arrays import Array
from tui.rendering.axes import Axis
from tui.rendering.text import visible

MIN_WIDTH, MIN_HEIGHT = 8, 3  # cells; a smaller chart is blank
CORNER = "└"  # where plotext's axes meet
DOTS_X = 2  # dots side by side in a braille cell
_FIRST_COLOUR = 16  # plotext may write the colours below 16 in another way
_Name = tuple[float, str, int]  # height in 0 … 1, text, number of the colour
_CELLS = re.compile(r"\x1b\[0m(?:\x1b\[38;5;(\d+)m)?(?:\x1b\[[\d;]*m)*([^\x1b]*)")


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Points (x, y), both (N,): joined by a line, or each drawn with `marker` ("braille", "hd" or one character)."""

    x: Array
    y: Array
    style: Style
    marker: str = "braille"
    joined: bool = True
    label: str = ""  # written at the right edge, beside the last point


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line to compare with; its label stands at the right edge."""

    y: float
    style: Style
    label: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves over two axes; later curves are drawn over earlier ones."""

    x: Axis
    y: Axis
    curves: tuple[Curve, ...]
    frame: Style
    levels: tuple[Level, ...] = ()
    cursor: float | None = None  # an x to mark by a vertical line
    cursor_style: Style = field(default_factory=Style)


def draw(chart: Chart, width: int, height: int) -> list[Strip]:
    """`height` strips of `width` cells, on a transparent background; blank strips if the size is too small."""
    if width < MIN_WIDTH or height < MIN_HEIGHT:
        return [Strip.blank(max(width, 0)) for _ in range(height)]
    figure = _plotext().figure
    figure.clear()
    figure.plot_size(width, height)
    figure.canvas("default")
    for axis, side in ((0, 1), (1, 1)):
        figure.axes(False, axis=axis, side=side)
    for axis, side in ((0, 0), (1, 0), (1, 1)):
        figure.axes(side == 0, pixel=_pixel(0), axis=axis, side=side)
        figure.ruler(axis, side).pixel(_pixel(0)).lim(0, 1).alignment(lim="edge")
    ticks = [_ticks(axis) for axis in (chart.x, chart.y)]
    for number in (0, 1):
        figure.ruler(number, 0).ticks([place for place, _ in ticks[number]], [label for _, label in ticks[number]])
    styles = [chart.frame]  # the style of colour number i
    levels: list[_Name] = []
    ends: list[_Name] = []
    for level in chart.levels:
        styles.append(level.style)
        place = float(chart.y.place(np.array(level.y)))
        if 0 <= place <= 1:
            figure.line(place, 0, pixel=_pixel(len(styles) - 1), style="dotted")
            levels.append((place, level.label, len(styles) - 1))
    if chart.cursor is not None and 0 <= (place := float(chart.x.place(np.array(chart.cursor)))) <= 1:
        styles.append(chart.cursor_style)
        figure.line(place, 1, pixel=_pixel(len(styles) - 1))
    for curve in chart.curves:
        styles.append(curve.style)
        last = _draw_curve(figure, curve, chart, width, len(styles) - 1)
        if last is not None:
            ends.append((last, curve.label, len(styles) - 1))
    _write_names(figure, levels, ends, height - 1 - bool(ticks[0]))
    return _strips(figure.build().string(), styles, width, height)


def columns_of_chart(strips: Sequence[Strip]) -> tuple[int, int] | None:
    """The columns of the drawn lines `strips` between which the chart's x axis lies; None if there is no axis."""
    for strip in reversed(strips):
        text = strip.text
        if (corner := text.find(CORNER)) >= 0:
            return corner + 1, len(text.rstrip())
    return None


def _draw_curve(figure: Any, curve: Curve, chart: Chart, width: int, number: int) -> float | None:
    """Draw a curve as far as it can be drawn. Returns the height, 0 … 1, at which it ends; None if there is none."""
    x, y = chart.x.place(curve.x), chart.y.place(curve.y)
    if curve.joined:
        x, y = cut(x, y)
    inside = (x >= 0) & (x <= 1)
    x, y = decimate(x[inside], y[inside], width * DOTS_X)
    drawable = np.isfinite(x) & np.isfinite(y)
    if not drawable.any():
        return None
    y = np.clip(y, 0, 1)  # points beyond the range stay visible at its edge
    marker = _marker(curve.marker, number)
    signal = figure.signal(x[drawable].tolist(), y[drawable].tolist(), marker=marker)
    if curve.joined:
        signal.lines(True)
        for index in np.flatnonzero(np.diff(np.cumsum(~drawable)[drawable])):
            signal.line(int(index) + 1, False)  # a gap in the data is a gap in the line
    figure.draw(signal)
    return float(y[drawable][-1])


def cut(x: Array, y: Array) -> tuple[Array, Array]:
    """The part of a line with 0 ≤ x ≤ 1 (x must be ascending), with the points where it enters and leaves."""
    known = np.isfinite(x)
    x, y = x[known], y[known]
    first, last = int(np.searchsorted(x, 0.0)), int(np.searchsorted(x, 1.0, side="right"))
    inner_x, inner_y = x[first:last], y[first:last]
    if 0 < first < len(x):
        inner_x, inner_y = np.r_[0.0, inner_x], np.r_[_between(x, y, first, 0.0), inner_y]
    if 0 < last < len(x):
        inner_x, inner_y = np.r_[inner_x, 1.0], np.r_[inner_y, _between(x, y, last, 1.0)]
    return inner_x, inner_y


def _between(x: Array, y: Array, index: int, place: float) -> float:
    """The line's y at x = `place`, between the points `index` - 1 and `index`."""
    with np.errstate(all="ignore"):  # NaN stays NaN: a gap
        share = (place - x[index - 1]) / (x[index] - x[index - 1])
        return float(y[index - 1] * (1 - share) + y[index] * share)


def decimate(x: Array, y: Array, columns: int) -> tuple[Array, Array]:
    """At most two points for each of `columns` over 0 ≤ x ≤ 1: the lowest and the highest, so that spikes stay.

    The points stay in order. A column in which some y is NaN keeps one NaN, so gaps stay too.
    """
    if len(x) <= 2 * columns:
        return x, y
    column = np.minimum((np.nan_to_num(x) * columns).astype(np.intp), columns - 1)
    order = np.lexsort((y, column))  # NaN sorts last within its column
    starts = np.flatnonzero(np.r_[True, np.diff(column[order]) > 0])
    ends = np.r_[starts[1:], len(order)] - 1
    chosen = np.unique(order[np.r_[starts, ends]])
    return x[chosen], y[chosen]


def _ticks(axis: Axis) -> list[tuple[float, str]]:
    places = axis.place(np.array([position for position, _ in axis.ticks]))
    return [(float(p), _narrow(label)) for p, (_, label) in zip(places, axis.ticks, strict=True) if 0 <= p <= 1]


def _write_names(figure: Any, levels: list[_Name], ends: list[_Name], rows: int) -> None:
    """Write names at the right edge: of levels on their line, of curves on the nearest free row to their end.

    Of more curves than there are free rows the last ones are named, as they are drawn over the others.
    """
    taken: dict[int, tuple[str, int]] = {}
    for place, label, number in (level for level in levels if level[1].strip()):
        taken[_row(place, rows)] = (label, number)
    lowest = rows
    named = [end for end in ends if end[1].strip()]
    named = sorted(named[max(len(named) - (rows - len(taken)), 0) :])
    for above, (place, label, number) in zip(reversed(range(len(named))), named, strict=True):
        free = [row for row in range(lowest) if row not in taken]
        if free:  # from the bottom up, in the order of the curves, with rows left for those above
            lowest = min(free[above:] or free[-1:], key=lambda row: abs(row - _row(place, rows)))
            taken[lowest] = (label, number)
    labels = [_plotext().colorize(_narrow(label), _pixel(number)) for label, number in taken.values()]
    figure.ruler(1, 1).ticks([1 - (row + 0.5) / rows for row in taken], labels)


def _row(place: float, rows: int) -> int:
    return min(int((1 - place) * rows), rows - 1)


def _narrow(label: str) -> str:
    """`label` with a dotted circle for every wide character, a dot if it is empty.

    plotext counts characters instead of cells, and fails on blank labels.
    """
    return "".join(shown if len(shown) == cell_len(shown) == 1 else "◌" for shown in map(visible, label)) or "·"


def _strips(text: str, styles: list[Style], width: int, height: int) -> list[Strip]:
    """plotext's output as strips, each colour number replaced by its style."""
    strips = []
    for line in text.split("\n")[:height]:
        segments = [
            Segment(cells, styles[int(colour) - _FIRST_COLOUR] if colour else None)
            for colour, cells in _CELLS.findall(line)
            if cells
        ]
        strips.append(Strip(segments).simplify().adjust_cell_length(width))
    return strips + [Strip.blank(width)] * (height - len(strips))


@cache
def _plotext() -> Any:
    import plotext  # takes 0.2 s: after the first frame, not before

    plotext.terminal.limit(False, False)  # a pane knows its size
    return plotext


@cache
def _pixel(number: int) -> Any:
    return _plotext().pixel(_FIRST_COLOUR + number)


@cache
def _marker(symbol: str, number: int) -> Any:
    return _plotext().marker(symbol, _pixel(number))
