"""Makes lines of a picture from runs of styled text: cut, padded or wrapped to a width in cells."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

Span = tuple[str, Style]

PLAIN = Style()
BOLD = Style(bold=True)
DIM = Style(dim=True)


@lru_cache(maxsize=4096)
def _mark(name: str, value: int | str) -> Style:
    return Style(meta={name: value})


def marked(style: Style, name: str, value: int | str) -> Style:
    """`style` with a mark that `mark_at` finds again: a click there means `value`. It looks as before."""
    return style + _mark(name, value)


def mark_at(strip: Strip, column: int, *, in_row: bool = False) -> dict[str, int | str]:
    """The mark of the character in this column of a line; if it has none, the first one of the line if `in_row`."""
    end = 0
    first: dict[str, int | str] = {}
    for text, style, _ in strip:
        start, end = end, end + cell_len(text)
        mark = style.meta if style is not None else {}
        if mark and start <= column < end:
            return mark
        first = first or mark
    return first if in_row else {}


def line(spans: Iterable[Span], width: int) -> Strip:
    """One strip with the spans from left to right, cut or padded with blanks to `width` cells.

    Neighbours with the same style object become one segment.
    """
    runs: list[tuple[list[str], Style]] = []
    for text, style in spans:
        if not text:
            continue
        if runs and runs[-1][1] is style:
            runs[-1][0].append(text)
        else:
            runs.append(([text], style))
    return Strip([Segment("".join(texts), style) for texts, style in runs]).adjust_cell_length(width, PLAIN)


def fit(parts: Iterable[Span], width: int, separator: str = " · ") -> list[Span]:
    """The `parts` that fit into `width` cells, with `separator` between them; the most important part comes first.

    A part that does not fit is left out, except the first one, which is shortened.
    """
    spans: list[Span] = []
    used = 0
    for text, style in parts:
        if not text:
            continue
        needed = cell_len(text) + (cell_len(separator) if spans else 0)
        if not spans and needed > width:
            return [(shorten(text, width), style)]
        if used + needed <= width:
            spans += [(separator, DIM), (text, style)] if spans else [(text, style)]
            used += needed
    return spans


def shorten(text: str, width: int) -> str:
    """`text` in at most `width` cells; if it is cut, an ellipsis ends it."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1) + "…" if width > 0 else ""


def wrap(text: str, width: int, limit: int) -> list[str]:
    """`text` in at most `limit` lines of at most `width` cells, broken between words; an ellipsis marks a cut."""
    if limit < 1 or width < 1:
        return []
    lines: list[str] = []
    for word in text.split():
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines += chop_cells(word, width)
    if len(lines) > limit:
        last = lines[limit - 1]
        while cell_len(last) + 2 > width and " " in last:
            last = last.rpartition(" ")[0]
        lines = [*lines[: limit - 1], f"{last} …"]
    return [shorten(line, width) for line in lines]


def as_lines(texts: Iterable[str], width: int, style: Style = PLAIN) -> list[Strip]:
    """A line of `width` cells for each of the `texts`."""
    return [line([(text, style)], width) for text in texts]


def paragraph(text: str, width: int, limit: int, style: Style = PLAIN) -> list[Strip]:
    """`text` in at most `limit` lines of `width` cells, broken between words."""
    return as_lines(wrap(text, width, limit), width, style)


def spread(count: int, places: int) -> list[int]:
    """At most `places` of the numbers 0 … count - 1, evenly spaced, including both ends, highest first."""
    places = min(count, places)
    if places <= 1:
        return [count - 1][:places]
    return [round((count - 1) * (places - 1 - place) / (places - 1)) for place in range(places)]
