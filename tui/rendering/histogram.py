"""Histograms on the gradients' bin grid (symmetric, logarithmic in |g|), drawn with block characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.style import Style

from engine.arrays import Array, Integers
from tui.rendering.numbers import power
from tui.rendering.strips import BOLD, Span

BLOCKS = " ▁▂▃▄▅▆▇█"
OVERFLOW_LEFT, OVERFLOW_RIGHT, NO_OVERFLOW = "«", "»", " "
LEAST_WIDTH = 7  # columns


@dataclass(frozen=True, slots=True)
class BinAxis:
    """The part of the bin grid that is shown, and the number of columns that it takes.

    The grid has 2·n + 3 bins: an overflow bin, n negative ones, the zero bin, n positive ones, an overflow bin.
    On either side the n bins are counted from zero outwards, and `first` ≤ bin < `last` are shown in `side`
    columns. A picture is 2·side + 3 columns wide, with the zero bin in the middle.
    """

    edges: tuple[float, ...]  # the n + 1 edges above zero
    first: int
    last: int
    side: int

    @property
    def width(self) -> int:
        """Columns of the picture."""
        return 2 * self.side + 3


def occupied(counts: Integers) -> tuple[int, int] | None:
    """First and last (exclusive) bin of `counts` (T, bins) that is not empty, counted from zero outwards; or None."""
    total = np.asarray(counts).sum(axis=0)
    middle = len(total) // 2
    used = np.flatnonzero(total[middle + 1 : -1] + total[middle - 1 : 0 : -1])
    return (int(used[0]), int(used[-1]) + 1) if len(used) else None


def fit_axis(edges: Array, extent: tuple[int, int] | None, width: int) -> BinAxis:
    """An axis of at most `width` columns (but at least 7) that shows the bins `extent`; None shows the whole grid."""
    middle = len(edges) // 2  # the first edge above zero
    positive = tuple(float(edge) for edge in edges[middle:-1])
    first, last = extent or (0, len(positive) - 1)
    return BinAxis(positive, first, last, max((width - 3) // 2, (LEAST_WIDTH - 3) // 2))


def columns(counts: Integers, axis: BinAxis) -> Array:
    """Counts (rows, bins) as counts (rows, columns) of the picture.

    The counts of a bin are divided among its columns in proportion to the overlap, so that a row keeps its sum and
    shows no pattern that is not in the data.
    """
    counts = np.atleast_2d(counts)
    middle = counts.shape[1] // 2
    right = counts[:, middle + 1 : -1]
    left = counts[:, middle - 1 : 0 : -1]
    sides = [_resample(side[:, axis.first : axis.last], axis.side) for side in (left, right)]
    return np.concatenate(
        [counts[:, :1], sides[0][:, ::-1], counts[:, middle : middle + 1], sides[1], counts[:, -1:]], axis=1
    ).astype(float)


def _resample(counts: NDArray[np.integer], width: int) -> Array:
    cumulated = np.concatenate([np.zeros((len(counts), 1)), np.cumsum(counts, axis=1)], axis=1)
    places = np.arange(cumulated.shape[1])
    cuts = np.linspace(0, places[-1], width + 1)
    return np.stack([np.diff(np.interp(cuts, places, row)) for row in cumulated])


def heights(drawn: Array, rows: int = 1) -> NDArray[np.intp]:
    """The height of each column in eighths of a character; the tallest is `rows` characters.

    The height is the square root of the count, so that tails can be seen beside peaks, on one scale for the whole
    picture. The zero bin and the overflow bins do not set the scale; if they are higher, they are cut off. A column
    that is not empty has at least one eighth.
    """
    roots = np.sqrt(drawn)
    inner = np.delete(roots, [0, drawn.shape[1] // 2, drawn.shape[1] - 1], axis=1)
    tallest = float(inner.max(initial=0.0)) or float(roots.max(initial=0.0)) or 1.0
    eighths = np.ceil(np.minimum(roots / tallest, 1.0) * 8 * rows - 1e-9)
    return eighths.astype(np.intp)


def bar_rows(eighths: NDArray[np.intp], styles: Sequence[Style], rows: int = 1) -> list[list[Span]]:
    """The lines of one histogram, top line first; `eighths` and `styles` have one element for each column."""
    lines: list[list[Span]] = []
    for base in range(8 * (rows - 1), -1, -8):
        glyphs = [BLOCKS[level] for level in np.clip(eighths - base, 0, 8)]
        bottom = base == 0
        glyphs[0] = OVERFLOW_LEFT if bottom and eighths[0] else NO_OVERFLOW
        glyphs[-1] = OVERFLOW_RIGHT if bottom and eighths[-1] else NO_OVERFLOW
        lines.append(list(zip(glyphs, styles, strict=True)))
    return lines


def column_styles(axis: BinAxis, ramp: Sequence[Style]) -> list[Style]:
    """A style for each column: along `ramp` as |g| grows; the zero bin and the overflow bins in bold."""
    levels = np.linspace(0, len(ramp) - 1, axis.side).round().astype(int)
    side = [ramp[level] for level in levels]
    return [BOLD, *reversed(side), BOLD, *side, BOLD]


def axis_labels(axis: BinAxis) -> str:
    """The line of numbers beneath the columns: zero in the middle, values at the ends and half-way."""
    cells = [" "] * axis.width
    middle = axis.side + 1
    cells[middle] = "0"
    for share in (1.0, 0.5, 0.0):
        edge = axis.edges[round(axis.first + share * (axis.last - axis.first))]
        reach = max(round(share * axis.side), 1)
        text = power(edge).replace(".0e", "e")
        right = _place(cells, middle + reach, text)
        left = _place(cells, middle - reach, "−" + text)
        if right is not None and left is not None:
            cells[right : right + len(text)] = text
            cells[left : left + 1 + len(text)] = "−" + text
    return "".join(cells)


def _place(cells: list[str], centre: int, text: str) -> int | None:
    """Where `text` begins if it is centred on a column, with a blank on either side; None if there is no room."""
    start = min(max(centre - len(text) // 2, 0), len(cells) - len(text))
    free = start >= 0 and all(cell == " " for cell in cells[max(start - 1, 0) : start + len(text) + 1])
    return start if free else None
