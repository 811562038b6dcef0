"""Lines of a picture: runs of styled text, made to fit a width."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

Span = tuple[str, Style]

PLAIN = Style()
BOLD = Style(bold=True)
DIM = Style(dim=True)
CHOSEN = Style(bold=True, reverse=True)


def line(spans: Iterable[Span], width: int) -> Strip:
    """The spans from left to right, cut or padded with blanks to `width` cells; neighbours of one style are joined."""
    runs: list[tuple[list[str], Style]] = []
    for text, style in spans:
        if runs and runs[-1][1] is style:
            runs[-1][0].append(text)
        else:
            runs.append(([text], style))
    return Strip([Segment("".join(texts), style) for texts, style in runs]).adjust_cell_length(width, PLAIN)


def fit(parts: Iterable[Span], width: int, separator: str = " · ") -> list[Span]:
    """Those of `parts`, most important first, that fit into `width` side by side; the first is cut if it must be."""
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
    """`text` in at most `width` cells, with an ellipsis if something had to go."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1) + "…" if width > 0 else ""


def wrap(text: str, width: int, limit: int) -> list[str]:
    """`text` in at most `limit` lines of at most `width` cells, broken between words."""
    if limit < 1 or width < 1:
        return []
    lines = textwrap.wrap(text, width)
    if len(lines) > limit:
        lines = [*lines[: limit - 1], shorten(" ".join(lines[limit - 1 :]), width)]
    return [shorten(line, width) for line in lines]


def foreground(style: Style) -> Style:
    """The background colour of a style as colour of the text: what a ramp paints behind, painted in front."""
    return Style(color=style.bgcolor)


def spread(count: int, places: int) -> list[int]:
    """At most `places` of the numbers 0 … count - 1, evenly spread, both ends among them, highest first."""
    places = min(count, places)
    if places <= 1:
        return [count - 1][:places]
    return [round((count - 1) * (places - 1 - place) / (places - 1)) for place in range(places)]


def power(value: float) -> str:
    """A number in two significant digits and a short exponent, as 3.1e-12; zero is 0."""
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def plain(value: float) -> str:
    """0.93 where that can be read, 1.2e-7 where not."""
    return f"{value:.2f}" if 0.01 <= abs(value) < 100 else power(value)
