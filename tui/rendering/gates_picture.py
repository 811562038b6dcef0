"""The picture of the view *gates*: each unit a point, by how often its gate is open and how often it is shut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from textual.strip import Strip

from engine.arrays import Array
from engine.session.messages import Saturation, cell_of
from tui.rendering.canvas import Canvas
from tui.rendering.colour import Palette
from tui.rendering.numbers import at_step, percent
from tui.rendering.strips import BOLD, DIM, PLAIN, Span, fit, line, marked, paragraph

LEAST_WIDTH, LEAST_HEIGHT = 12, 4  # cells of one gate's panel
MOST_COUNTED = 9  # units in a cell that are counted; more are `MANY`
MANY = "#"
MOSTLY = 0.9  # of the characters, from which share on a gate is called mostly open, or mostly shut
MARK = "◆"  # the chosen unit


@dataclass(frozen=True, slots=True)
class GatesContent:
    """Everything that the picture depends on, apart from its size and its colours."""

    cell: str
    saturation: Saturation | None = None
    unit: int = 0
    gate: str = ""  # the only one that is shown; empty for all
    older: bool = False  # the answer lies far behind the run


def gates_picture(content: GatesContent, width: int, height: int, palette: Palette) -> list[Strip]:
    """At most `height` lines: a scatter plot for each gate, side by side, and below them numbers and words."""
    found = content.saturation
    if not cell_of(content.cell).sigmoids:
        words = f"The cell {content.cell} has no gates: nothing in it is opened or shut."
        return paragraph(words, width, height, DIM)
    if found is None:
        return paragraph("Waiting for the values of the gates …", width, height, DIM)
    gates = [gate for gate in found.shut if content.gate in ("", gate)]
    while len(gates) > 1 and (width - 2 * (len(gates) - 1)) // len(gates) < LEAST_WIDTH:
        gates.pop()  # `k` shows them one by one
    head = line(fit(_head(content, found), width), width)
    foot = [line(fit(_counts(gate, found), width), width) for gate in gates] if height >= LEAST_HEIGHT + 6 else []
    panels = _side_by_side(gates, content, found, width, max(height - 1 - len(foot), 1), palette)
    return [head, *panels, *foot][:height]


def _side_by_side(
    gates: list[str], content: GatesContent, found: Saturation, width: int, height: int, palette: Palette
) -> list[Strip]:
    each = (width - 2 * (len(gates) - 1)) // len(gates)
    panels = [_panel(gate, found, content.unit, each, height, palette) for gate in gates]
    rows = []
    for row in zip(*panels, strict=True):
        joined = [part for strip in row for part in (Strip.blank(2), strip)][1:]
        rows.append(Strip.join(joined).adjust_cell_length(width, PLAIN))
    return rows


def _panel(gate: str, found: Saturation, unit: int, width: int, height: int, palette: Palette) -> list[Strip]:
    """One gate: its name, a scatter plot with shut upwards and open to the right, and the axis below."""
    named = f"{gate} · shut ↑"
    room = height - 2 if height > LEAST_HEIGHT else height - 1
    strips = [line([(named, BOLD)], width)]
    if room >= 1:
        strips += scatter(found.open[gate], found.shut[gate], unit, width, room, palette)
    if room == height - 2:
        strips.append(line([("0" + "open → 1".rjust(width - 1), DIM)], width))
    return strips


def scatter(opened: Array, shut: Array, unit: int, width: int, height: int, palette: Palette) -> list[Strip]:
    """`height` lines, from 0 to 1 in both directions: the number of units in each cell, and the chosen one.

    No point lies beyond the diagonal, because a gate is not open and shut at once.
    """
    canvas = Canvas(0, 1, 0, 1, width, height)
    diagonal = np.linspace(0, 1, 4 * (width + height))
    canvas.dots(diagonal, 1 - diagonal, DIM)
    columns, rows = canvas.cells(opened, shut)
    counts = np.zeros((height, width), np.int64)
    np.add.at(counts, (rows, columns), 1)
    most = counts.max(initial=1)
    units: dict[tuple[int, int], int] = {}  # the first unit in each place
    for number, place in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        units.setdefault(place, number)
    for row, column in zip(*np.nonzero(counts), strict=True):
        count = int(counts[row, column])
        style = palette.heat.style(0.2 + 0.8 * np.log(count) / np.log(most) if most > 1 else 1.0)
        sign = f"{count}" if count <= MOST_COUNTED else MANY
        canvas.put(int(column), int(row), sign, marked(style, "unit", units[int(row), int(column)]))
    if 0 <= unit < len(opened):
        canvas.signs(opened[[unit]], shut[[unit]], MARK, BOLD)
    return canvas.strips()


def _head(content: GatesContent, found: Saturation) -> list[Span]:
    parts: list[Span] = [(f"{MARK} unit {content.unit}", BOLD)]
    for gate in found.shut:
        if content.unit < len(found.shut[gate]):
            shut, opened = (float(shares[gate][content.unit]) for shares in (found.shut, found.open))
            parts.append((f"{gate} shut {percent(shut)} open {percent(opened)}", PLAIN))
    return [*parts, (at_step(found.step, content.older), DIM), (f"{found.characters:,} characters", DIM)]


def _counts(gate: str, found: Saturation) -> list[Span]:
    """How many units of the gate are nearly always shut, nearly always open, and never either."""
    shut, opened = found.shut[gate], found.open[gate]
    never = np.count_nonzero((shut == 0) & (opened == 0))
    return [
        (f"{gate}: mostly shut {np.count_nonzero(shut >= MOSTLY)}", PLAIN),
        (f"mostly open {np.count_nonzero(opened >= MOSTLY)}", PLAIN),
        (f"never either {never}", PLAIN),
        (f"of {len(shut)} units", DIM),
    ]
