"""The pictures of the gradients pane: a histogram and a norm for every time step, and the triangle of norms."""

from __future__ import annotations

import math

import numpy as np
from rich.style import Style
from textual.strip import Strip

from engine.arrays import Array
from engine.session.messages import GradientFlow
from tui.rendering import histogram
from tui.rendering.colour import Palette, Ramp
from tui.rendering.strips import BOLD, DIM, PLAIN, Span, foreground, line, power, spread

NOW, MARKED = "●", "○"
THICKEST = 3  # lines for one histogram
VALUE_WIDTH = 8
ROOM_FOR_CURVE = 44  # columns


def histogram_picture(
    flow: GradientFlow,
    marked: GradientFlow | None,
    extent: tuple[int, int] | None,
    width: int,
    height: int,
    palette: Palette,
) -> list[Strip]:
    """At most `height` lines: the newest step on top, `marked` beneath each of the steps if it is given."""
    flows = [flow] if marked is None else [flow, marked]
    count = len(flow.norms)
    with_axis = height >= 3 * len(flows)
    room = max((height - with_axis) // len(flows), 1)
    steps = spread(count, room)
    thick = min(max(room // count, 1), THICKEST)
    label_width = len(f"t={count - 1} ") + 2 * (len(flows) - 1)
    dots_width = min(width // 5, 30) if width >= ROOM_FOR_CURVE else 0
    axis = histogram.fit_axis(flow.edges, extent, width - label_width - VALUE_WIDTH - dots_width)
    bars = [histogram.columns(each.counts[steps], axis) for each in flows]
    eighths = np.split(histogram.heights(np.concatenate(bars), thick), len(flows))
    low, high = norm_limits(flows)
    colours = now_and_marked(palette)
    warmth = [Style(color=style.color) for style in palette.surprise.styles]
    styles = [histogram.column_styles(axis, warmth if marked is None else [colour]) for colour in colours]
    lines: list[Strip] = []
    for row, t in enumerate(steps):
        for each, marker, colour, style, level in zip(flows, (NOW, MARKED), colours, styles, eighths, strict=False):
            drawn = histogram.bar_rows(level[row], style, thick)
            for upper in drawn[:-1]:
                lines.append(line([(" " * label_width, PLAIN), *upper], width))
            label = f"t={t}" if each is flow else ""
            name = label.rjust(label_width - 1 - 2 * (len(flows) - 1)) + " "
            norm = float(each.norms[t])
            lines.append(
                line(
                    [
                        (name, DIM),
                        *([(marker + " ", colour)] if marked is not None else []),
                        *drawn[-1],
                        (power(norm).rjust(VALUE_WIDTH - 1) + " ", colour if marked is not None else PLAIN),
                        *histogram.dot(norm, low, high, (marker, colour), dots_width),
                    ],
                    width,
                )
            )
    if with_axis:
        beneath = f"{power(low)}{power(high).rjust(dots_width - len(power(low)))}" if dots_width >= 16 else ""
        title = "‖G_t‖".rjust(VALUE_WIDTH - 1)
        lines.append(
            line([(" " * label_width + histogram.axis_labels(axis), DIM), (f"{title} ", BOLD), (beneath, DIM)], width)
        )
    return lines


def norm_limits(flows: list[GradientFlow]) -> tuple[float, float]:
    """The smallest and largest positive finite norm of all flows; (1, 1) where there is none."""
    norms = np.concatenate([np.asarray(flow.norms, dtype=float) for flow in flows])
    usable = norms[(norms > 0) & np.isfinite(norms)]
    return (float(usable.min()), float(usable.max())) if len(usable) else (1.0, 1.0)


def now_and_marked(palette: Palette) -> tuple[Style, Style]:
    """Blue for the moment on the screen, orange for the marked one."""
    return foreground(palette.diverging.styles[-1]), foreground(palette.diverging.styles[0])


def triangle_picture(flow: GradientFlow, width: int, height: int, palette: Palette) -> list[Strip]:
    """At most `height` lines: the loss of step s from top (newest) down, the steps t it reaches from left to right."""
    if flow.triangle is None:
        return []
    below, largest = decades_below(flow.triangle)
    count = len(below)
    label_width = len(f"s={count - 1} ")
    room = width - label_width
    wide = room >= 2 * count
    columns = spread(count, max(room // (1 + wide), 1))[::-1]
    with_axis, with_legend = height >= 4, height >= 7
    lines = []
    for s in spread(count, max(height - with_axis - with_legend, 1)):
        spans: list[Span] = [(f"s={s}".rjust(label_width - 1) + " ", DIM)]
        lines.append(line([*spans, *triangle_row(below, s, columns, palette.heat, wide)], width))
    if with_axis:
        last = f"t={count - 1}"
        foot = "t=0" + last.rjust(max(len(columns) * (1 + wide) - wide - 3, len(last) + 1))
        lines.append(line([(" " * label_width + foot, DIM)], width))
    if with_legend:
        lines.append(line([(_legend(power(largest), width), DIM)], width))
    return lines


def _legend(largest: str, width: int) -> str:
    """What the glyphs mean, in as many words as there is room for."""
    full = f"a digit: powers of ten below the largest, {largest}; {FAR} {DECADES} or more, {ZERO} exactly 0"
    return full if len(full) <= width else f"digits: powers of 10 below {largest}, {FAR} {DECADES}+, {ZERO} 0"


FAR, ZERO = "·", "×"  # ten powers and more below, exactly zero
DECADES = 10


def decades_below(triangle: Array) -> tuple[Array, float]:
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


def triangle_row(below: Array, s: int, steps: list[int], ramp: Ramp, wide: bool) -> list[Span]:
    """The loss of step `s` against the steps t in `steps`, blank where t > s."""
    blank = ("  " if wide else " ", PLAIN)
    return [cell(float(below[s, t]), ramp, wide) if t <= s else blank for t in steps]
