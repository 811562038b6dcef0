"""Pictures in files and on standard output, there in the colours of the terminal, or without any in a pipe."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Console
from rich.segment import Segment, Segments
from textual.strip import Strip

from tui.cli.output import say_json, write_file
from tui.rendering.colour import DEPTHS, Palette, palette
from tui.rendering.strips import PLAIN
from tui.rendering.svg import page, svg
from tui.rendering.text import visible_text
from tui.terminal.streams import escapes

ON_PAPER = palette("truecolor", dark=False)  # the colours of pictures in files


def console() -> Console:
    """Standard output for pictures, as wide as the terminal."""
    return Console(file=escapes(sys.stdout), highlight=False)


def palette_for(console: Console) -> Palette:
    """The palette for `console`: without colours under NO_COLOR, and in a file or a pipe."""
    if console.no_color or console.color_system is None:
        return palette("none")
    return palette(DEPTHS.get(console.color_system, "truecolor"))


def give(
    options: Namespace,
    title: str,
    draw: Callable[[int, Palette], list[Strip]],
    values: Callable[[], dict[str, Any]],
    columns: int,
) -> None:
    """Write the picture that `draw` makes for a width into the files asked for; print it, or the `values` as JSON.

    In a file it is `columns` wide; a screen reader reads its `title`.
    """
    if options.svg or options.html:
        image = svg(draw(columns, ON_PAPER), title, columns)
        if options.svg:
            write_file(options.svg, image)
        if options.html:
            write_file(options.html, page(image, title))
    if options.json:
        say_json(values())
    else:
        screen = console()
        show(draw(screen.width, palette_for(screen)), screen)


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
