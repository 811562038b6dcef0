"""The pictures of the gradients pane: a histogram and a norm for every time step, and the triangle of norms."""

from __future__ import annotations

import math

import numpy as np
from rich.cells import cell_len
from rich.style import Style
from textual.strip import Strip

from engine.arrays import Array
from engine.session.messages import GradientFlow
from tui.rendering import histogram
from tui.rendering.colour import KEPT, NOW, Palette, Ramp
from tui.rendering.gradient_windows import spread_norms, typical_norms
from tui.rendering.norm_axis import NormAxis, dot, norm_axis, norm_limits
from tui.rendering.numbers import power, two_digits
from tui.rendering.strips import BOLD, DIM, PLAIN, Span, line, spread
from tui.rendering.text import SPACE, visible

THICKEST = 3  # lines for one histogram
VALUE_WIDTH = 8  # cells
ROOM_FOR_CURVE, LEAST_CURVE, WIDEST_CURVE = 44, 12, 30  # cells
FAR, ZERO = "·", "×"  # signs in the triangle: `DECADES` or more below the largest; exactly zero
DECADES = 10


def histogram_picture(
    flow: GradientFlow,
    marked: GradientFlow | None,
    extent: tuple[int, int] | None,
    width: int,
    height: int,
    palette: Palette,
    axis: NormAxis | None = None,
) -> list[Strip]:
    """At most `height` lines, the newest time step on top. With `marked`, its row stands beneath that of each step.

    A row begins with the character that the first window reads there, if it is known. It ends with ‖G_t‖ of the median
    window, and a line through four of five windows, on `axis`, by default one for these flows alone.

    `extent` is the range of bins to show, as `histogram.occupied` returns it; None shows the whole grid.
    """
    flows = [flow] if marked is None else [flow, marked]
    count = len(flow.norms)
    with_axis = height >= 3 * len(flows)
    room = max((height - with_axis) // len(flows), 1)
    steps = spread(count, room)
    thick = min(max(room // count, 1), THICKEST)
    signs = [SPACE if character == " " else visible(character) for character in flow.characters]
    sign_width = max(map(cell_len, signs), default=-1) + 1
    label_width = len(f"t={count - 1} ") + sign_width + 2 * (len(flows) - 1)
    curve_width = min(max(width // 4, LEAST_CURVE), WIDEST_CURVE) if width >= ROOM_FOR_CURVE else 0
    bins = histogram.fit_axis(flow.edges, extent, width - label_width - VALUE_WIDTH - curve_width)
    bars = [histogram.columns(each.counts[steps], bins) for each in flows]
    eighths = np.split(histogram.heights(np.concatenate(bars), thick), len(flows))
    axis = axis or norm_axis(norm_limits(flows))
    ruler, ticks = axis.ruler(curve_width)
    curves = [_curve(each) for each in flows]
    colours = (palette.now, palette.kept)
    warmth = [Style(color=style.color) for style in palette.surprise.styles]
    styles = [histogram.column_styles(bins, warmth if marked is None else [colour]) for colour in colours]
    lines: list[Strip] = []
    for row, t in enumerate(steps):
        for each, marker, colour, style, level in zip(flows, (NOW, KEPT), colours, styles, eighths, strict=False):
            norm, band = curves[each is marked][t]
            *upper, lowest = histogram.bar_rows(level[row], style, thick)
            lines += [line([(" " * label_width, PLAIN), *spans], width) for spans in upper]
            name = _label(t, signs, label_width - 2 * (len(flows) - 1), sign_width) if each is flow else ""
            lines.append(
                line(
                    [
                        (name or " " * (label_width - 2 * (len(flows) - 1)), DIM),
                        *([(marker + " ", colour)] if marked is not None else []),
                        *lowest,
                        (power(norm).rjust(VALUE_WIDTH - 1) + " ", colour if marked is not None else PLAIN),
                        *dot(norm, axis, (marker, colour), curve_width, ticks, band),
                    ],
                    width,
                )
            )
    if with_axis:
        spans = [
            (" " * label_width + histogram.axis_labels(bins), DIM),
            ("‖G_t‖".rjust(VALUE_WIDTH - 1) + " ", BOLD),
            (ruler, DIM),
        ]
        lines.append(line(spans, width))
    return lines


def _label(t: int, signs: list[str], width: int, sign_width: int) -> str:
    """The time step, and the sign of the character that is read there if there are `signs`."""
    step = f"t={t}".rjust(width - sign_width - 1) + " "
    return step + (signs[t] + " " * (sign_width - cell_len(signs[t])) if signs else "")


def _curve(flow: GradientFlow) -> list[tuple[float, tuple[float, float] | None]]:
    """For each t ‖G_t‖ of the median window, and the limits of four of five where windows are known one by one."""
    norms, limits = typical_norms(flow).tolist(), spread_norms(flow)
    bands = [None] * len(norms) if limits is None else [(low, high) for low, high in limits.T.tolist()]
    return list(zip(norms, bands, strict=True))


def triangle_picture(flow: GradientFlow, width: int, height: int, palette: Palette) -> list[Strip]:
    """At most `height` lines: losses s downwards, the newest on top; time steps t from left to right."""
    if flow.triangle is None:
        return []
    below, largest = _decades_below(flow.triangle)
    count = len(below)
    label_width = len(f"s={count - 1} ")
    room = width - label_width
    wide = room >= 2 * count
    columns = spread(count, max(room // (1 + wide), 1))[::-1]
    with_axis, with_legend = height >= 4, height >= 7
    lines = []
    for s in spread(count, max(height - with_axis - with_legend, 1)):
        label: Span = (f"s={s}".rjust(label_width - 1) + " ", DIM)
        cells = [_cell(float(below[s, t]), palette.heat) if t <= s else (" ", PLAIN) for t in columns]
        lines.append(line([label, *((glyph + " " * wide, style) for glyph, style in cells)], width))
    if with_axis:
        last = f"t={count - 1}"
        foot = "t=0" + last.rjust(max(len(columns) * (1 + wide) - wide - 3, len(last) + 1))
        lines.append(line([(" " * label_width + foot, DIM)], width))
    if with_legend:
        lines.append(line([(_legend(two_digits(largest), width), DIM)], width))
    return lines


def _decades_below(triangle: Array) -> tuple[Array, float]:
    """log10(maximum / value) for each value, (T, T), inf if it is zero or not finite; and the maximum."""
    values = np.where(np.isfinite(triangle), np.asarray(triangle, dtype=float), 0.0)
    largest = float(values.max(initial=0.0))
    below = np.full(values.shape, math.inf)
    positive = values > 0
    if largest:
        below[positive] = np.log10(largest) - np.log10(values[positive])
    return below, largest


def _cell(below: float, heat: Ramp) -> Span:
    """A digit, the decades below the largest value, on a colour that fades with it."""
    if below < DECADES:
        return str(int(below)), heat.style(1 - below / DECADES)
    return (ZERO if math.isinf(below) else FAR), DIM


def _legend(largest: str, width: int) -> str:
    """The meaning of the digits and signs, in as many words as there is room for."""
    full = f"a digit: powers of ten below the largest, {largest}; {FAR} {DECADES} or more, {ZERO} exactly 0"
    brief = f"digits: powers of 10 below {largest}, {FAR} {DECADES}+, {ZERO} 0"
    return next((each for each in (full, brief) if cell_len(each) <= width), f"powers of 10 below {largest}")
