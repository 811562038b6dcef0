"""The picture of the cells pane: a heat map of units × characters, or the text in the colour of one unit."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace

import numpy as np
from rich.cells import cell_len
from textual.strip import Strip

from engine.arrays import Array
from engine.session.messages import Cells
from tui.rendering.attribution import Glyph, fold, row_strips
from tui.rendering.cells_facts import SIDE_WIDTH, describe, listed, packed
from tui.rendering.colour import KEPT, NOW, Palette, Ramp
from tui.rendering.numbers import at_step, minus, signed
from tui.rendering.strips import BOLD, DIM, PLAIN, Span, as_lines, fit, line, marked
from tui.rendering.text import named, visible
from tui.rendering.text import width as cell_width
from tui.rendering.unit_colours import heat_row, limits, ramp_for, scaled, sign_mark, text_row

ROOM_FOR_SIDE, ROOM_FOR_SCORES = 96, 60  # cells of the pane from which on these are shown
WIDEST_CELL = 3  # cells of the terminal for one character, if the text is short
LEAST_MAP = 4  # lines; a smaller map is not drawn beneath the text


@dataclass(frozen=True, slots=True)
class CellsContent:
    """Everything that the picture depends on, apart from its size and its colours."""

    cells: Cells
    cell: str  # the name of the recurrent cell
    unit: int  # the chosen unit
    _: KW_ONLY
    older: bool = False  # `cells` lies far behind the run
    hidden_right: int = 0  # characters at the end of the text that are scrolled out of view
    as_text: bool = False  # the text in the colour of the chosen unit, instead of a map of all units
    asked: tuple[tuple[int, float | None], ...] = ()  # units that are about to be held at a value, or freed (None)
    now: Cells | None = None  # of the present weights, to be laid over `cells`, which are then those of a moment


@dataclass(frozen=True, slots=True)
class _Colours:
    values: Array  # (H, S) on the scale of the ramp
    ramp: Ramp
    low: float
    high: float
    layers: tuple[tuple[Span, Array], ...]  # what lies over each other, top first: a mark, and values as above


def cells_picture(content: CellsContent, width: int, height: int, palette: Palette) -> tuple[list[Strip], int]:
    """At most `height` lines, and the number of units that are in view."""
    cells = content.cells
    if content.now is not None and not comparable(content.now, cells):
        content = replace(content, now=None)
    colours = _colours(content, palette)
    facts = describe(cells, content.asked)
    if width >= ROOM_FOR_SIDE:
        main = width - SIDE_WIDTH - 2
        left, rows = _main(content, colours, main, height)
        side = [line([(text, DIM if text.endswith(":") else PLAIN)], SIDE_WIDTH) for text in listed(facts, height)]
        gap = Strip.blank(2)
        left += [Strip.blank(main)] * (height - len(left))
        side += [Strip.blank(SIDE_WIDTH)] * (height - len(side))
        return [Strip.join([one, gap, other]) for one, other in zip(left, side, strict=False)], rows
    foot = as_lines(packed(facts, width, max((height - 3) // 3, 0)), width)
    strips, rows = _main(content, colours, width, height - len(foot))
    return strips + foot, rows


def comparable(one: Cells, other: Cells) -> bool:
    """Whether two answers are about the same numbers, of other weights."""
    same = (one.text, one.layer, one.kind) == (other.text, other.layer, other.kind)
    return same and one.values.shape == other.values.shape


def _colours(content: CellsContent, palette: Palette) -> _Colours:
    """One scale for now and the moment."""
    cells, now = content.cells, content.now
    both = cells.values if now is None else np.concatenate([cells.values, now.values])
    low, high = limits(cells.kind, content.cell, both)
    values = scaled(cells.values, low, high)
    layers: tuple[tuple[Span, Array], ...] = ((("", PLAIN), values),)
    if now is not None:
        over = (f"{NOW} ", palette.now), scaled(now.values, low, high)
        layers = (over, ((f"{KEPT} ", palette.kept), values))
    return _Colours(values, ramp_for(palette, low), low, high, layers)


def _main(content: CellsContent, colours: _Colours, width: int, height: int) -> tuple[list[Strip], int]:
    room = max(height - 1, 0)
    text = _text(content, colours, width, room) if content.as_text else []
    if content.as_text and room - len(text) < LEAST_MAP:
        return [line(fit(_head(content, colours), width), width), *text][:height], 1
    strips, rows = _map(content, colours, width, room - len(text))
    head = line(fit(_head(content, colours, rows), width), width)
    return [head, *text, *strips], rows


def _head(content: CellsContent, colours: _Colours, rows: int = 0) -> list[Span]:
    cells, now = content.cells, content.now
    parts: list[Span] = [(f"unit {content.unit}", BOLD)]
    if cells.text:
        after = f"{signed(cells.values[content.unit, -1])} after ‹{named(cells.text[-1])}›"
        parts.append((after if now is None else f"{after}, now {signed(now.values[content.unit, -1])}", PLAIN))
    scale = "0 … 1"
    if colours.low < 0:
        below, above = _ends(colours.ramp)
        scale = f"{below} {_limit(colours.low)} … {above} {_limit(colours.high)}"
    parts += [(f"{each.name} r {signed(each.correlation)}", PLAIN) for each in cells.best if each.unit == content.unit]
    count = len(cells.order)
    in_view = f"{rows}/{count} units" if 0 < rows < count else ""
    step: list[Span] = [(at_step(cells.step, content.older), DIM)]
    if now is not None:
        (_, over), (_, kept) = (mark for mark, _ in colours.layers)
        step = [(f"{NOW} now, step {now.step:,}", over), (f"{KEPT} step {cells.step:,}", kept)]
    return [*parts, *step, (in_view, DIM), (scale, DIM)]


def _limit(value: float) -> str:
    return minus(f"{value:.3g}")


def _map(content: CellsContent, colours: _Colours, width: int, room: int) -> tuple[list[Strip], int]:
    """The lines of the text and, beneath it, of each unit in view; and the number of units in view."""
    cells = content.cells
    count = len(cells.order)
    rows = max(min((room - 1) // len(colours.layers), count), 1)
    held = dict(cells.clamped)
    digits = len(str(max(count - 1, 0)))
    scored = _is_scored(cells) and width >= ROOM_FOR_SCORES
    scores = [signed(cells.score[unit]) for unit in cells.order] if scored else []
    score_width = max(map(len, scores), default=-1) + 1
    mark_width = cell_len(colours.layers[0][0][0])
    label_width = digits + score_width + 3 + mark_width
    first, last = _in_view(cells.text, content.hidden_right, width - label_width)
    widths = [cell_width(char) for char in cells.text[first:last]]
    stretch = min(max((width - label_width) // max(sum(widths), 1), 1), WIDEST_CELL)
    widths = [stretch * each for each in widths]
    chars = [visible(char) + " " * (cell_width(char) * (stretch - 1)) for char in cells.text[first:last]]
    place = int(np.flatnonzero(cells.order == content.unit)[0])
    top = min(place // rows * rows, count - rows)
    label = ("… " if first else "  ").rjust(label_width)
    chosen = colours.values[content.unit, first:last]
    strips = [line([(label, DIM), *text_row(chars, chosen, colours.ramp)], width)]
    for index in range(top, top + rows):
        unit = int(cells.order[index])
        score = f" {scores[index].rjust(score_width - 1)}" if scores else ""
        name = f"{'▸' if unit == content.unit else ' '}{unit:>{digits}}{'=' if unit in held else ' '}{score} "
        style = marked(BOLD if unit == content.unit else DIM, "unit", unit)
        for mark, values in colours.layers:
            row = heat_row(values[unit, first:last], widths, colours.ramp)
            strips.append(line([(name, style), mark, *row], width))
            name = " " * len(name)
    return strips, rows


def _ends(ramp: Ramp) -> tuple[str, str]:
    """What the two ends of a ramp around zero are called: their marks where both have one, else their colours."""
    marks = ramp.marks[0], ramp.marks[-1]
    return marks if all(mark.strip() for mark in marks) else (f"orange ({marks[0]})", "blue")


def _is_scored(cells: Cells) -> bool:
    """Whether the order of the units comes from a score; by index, each unit's score is its index."""
    return not np.array_equal(cells.score, np.arange(len(cells.score)))


def _in_view(text: str, hidden_right: int, columns: int) -> tuple[int, int]:
    """First and last (exclusive) character that fit into `columns` cells and end `hidden_right` before the end."""
    last = max(len(text) - hidden_right, min(len(text), 1))
    first, used = last, 0
    while first > 0 and used + cell_width(text[first - 1]) <= columns:
        first -= 1
        used += cell_width(text[first])
    while last < len(text) and used + cell_width(text[last]) <= columns:
        used += cell_width(text[last])
        last += 1
    return first, last


def _text(content: CellsContent, colours: _Colours, columns: int, room: int) -> list[Strip]:
    """The text in the colours of one unit, with a row of signs beneath; only its end if there is no room for all."""
    strips: list[Strip] = []
    for mark, values in colours.layers:
        room_here = room // len(colours.layers)
        strips += _text_in(content, mark, values[content.unit], colours, columns, room_here)
    return strips


def _text_in(
    content: CellsContent, mark: Span, values: Array, colours: _Colours, columns: int, room: int
) -> list[Strip]:
    """The text in the colours of `values` (S,), which are on the scale of the ramp, after `mark`."""
    drawn = []
    for char, value, level in zip(content.cells.text, values, colours.ramp.levels(values), strict=True):
        sign = sign_mark(float(value)) if colours.low < 0 else f"{min(int(np.nan_to_num(value) * 10), 9)}"
        drawn.append(Glyph(char, colours.ramp.styles[level], ((sign, DIM),)))
    indent = cell_len(mark[0])
    rows = fold(drawn, max(columns - indent, 2))
    fitting = max(room // 2, 1)
    skipped = max(len(rows) - fitting - content.hidden_right // 8, 0)
    strips: list[Strip] = []
    for row in rows[skipped : skipped + fitting]:
        strips += row_strips(row, mark, 1, columns)
        mark = " " * indent, PLAIN
    return strips
