"""Pictures on standard output, in the colours of the terminal, or without colours in a file or a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from rich.console import Console
from rich.segment import Segment, Segments
from textual.strip import Strip

from tui.rendering.colour import DEPTHS, Palette, palette
from tui.rendering.strips import PLAIN
from tui.rendering.text import visible_text
from tui.terminal.streams import escapes


def console() -> Console:
    """Standard output for pictures, as wide as the terminal."""
    return Console(file=escapes(sys.stdout), highlight=False)


def palette_for(console: Console) -> Palette:
    """The palette for `console`: without colours under NO_COLOR, and in a file or a pipe."""
    if console.no_color or console.color_system is None:
        return palette(True, "none")
    return palette(True, DEPTHS.get(console.color_system, "truecolor"))


def show(strips: Iterable[Strip], console: Console) -> None:
    """Print the lines of a picture without trailing blanks."""
    segments: list[Segment] = []
    for strip in strips:
        segments += [*(Segment(visible_text(text), style) for text, style, _ in trimmed(strip)), Segment.line()]
    console.print(Segments(segments), end="")


def trimmed(strip: Strip) -> list[Segment]:
    """The segments of a line up to the last visible one."""
    segments = list(strip)
    while segments and not segments[-1].text.strip() and segments[-1].style in (None, PLAIN):
        segments.pop()
    return segments
