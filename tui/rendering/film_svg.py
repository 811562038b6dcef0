"""Frames of lines as one animated SVG image, which loads nothing else: for slides and web pages.

A piece of text that stands in several frames is written once. Pieces that are seen in the same frames share one group,
whose `visibility` a SMIL animation switches. A viewer without animations shows the last frame.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from rich.cells import cell_len
from rich.style import Style
from textual.strip import Strip

from tui.rendering.svg import FAINT, FONTS, colours, decoration

CELL, LINE, SIZE, BASELINE = 8, 17, 13, 13  # width and height of a cell, font size, top to baseline, in pixels
LAST = 4  # times as long as the others the last frame is shown


def film_svg(frames: Sequence[Sequence[Strip]], seconds: float, title: str, ink: str, ground: str) -> str:
    """An SVG image that shows each of the `frames` for `seconds`, the last one longer, over and over.

    All frames have the same size. `ink` and `ground` are the colours (#rrggbb) of text and ground without a style of
    their own; a screen reader reads `title`.
    """
    columns, rows = frames[0][0].cell_length, len(frames[0])
    styles: dict[str, str] = {}  # the class of each look
    seen: dict[str, set[int]] = defaultdict(set)  # the frames in which an element is seen
    for number, frame in enumerate(frames):
        for row, strip in enumerate(frame):
            for element in _elements(strip, row, ink, ground, styles):
                seen[element].add(number)
    together: dict[tuple[bool, tuple[int, ...]], list[str]] = defaultdict(list)
    for element, numbers in seen.items():
        together[element.startswith("<text"), tuple(sorted(numbers))].append(element)
    groups = sorted(together.items())  # all grounds come before all text
    width, height = columns * CELL, rows * LINE
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>text {{ font: {SIZE}px {FONTS} }}",
        *(f".{name} {{ {look} }}" for look, name in styles.items()),
        "</style>",
        f'<rect width="{width}" height="{height}" fill="{ground}"/>',
        *(_group(numbers, elements, len(frames), seconds) for (_, numbers), elements in groups),
        "</svg>",
        "",
    ])  # fmt: skip


def _group(numbers: Sequence[int], elements: Sequence[str], count: int, seconds: float) -> str:
    """The elements that are seen in the frames `numbers` out of `count`."""
    inside = "\n".join(elements)
    if len(numbers) == count:
        return inside
    shown = set(numbers)
    changes = [0, *(number for number in range(1, count) if (number in shown) != (number - 1 in shown))]
    whole = count - 1 + LAST
    values = ";".join("visible" if number in shown else "hidden" for number in changes)
    times = ";".join(f"{number / whole:.5g}" for number in changes)
    last = "visible" if count - 1 in shown else "hidden"
    return (
        f'<g visibility="{last}"><animate attributeName="visibility" values="{values}" keyTimes="{times}" '
        f'calcMode="discrete" dur="{whole * seconds:g}s" repeatCount="indefinite"/>\n{inside}\n</g>'
    )


def _elements(strip: Strip, row: int, ink: str, ground: str, styles: dict[str, str]) -> Iterator[str]:
    """The elements of a line: a rectangle for each other ground, and a text for each run of one look."""
    column = 0
    for segment in strip:
        style = segment.style or Style()
        front, behind = colours(style, ink, ground)
        cells = segment.cell_length
        if behind != ground:
            box = f'width="{cells * CELL}" height="{LINE}" fill="{behind}"'
            yield f'<rect x="{column * CELL}" y="{row * LINE}" {box} shape-rendering="crispEdges"/>'
        name = styles.setdefault(_look(style, front), f"s{len(styles)}")
        for text, place in _words(segment.text):
            x, length = (column + place) * CELL, cell_len(text) * CELL
            fitted = f' textLength="{length}" lengthAdjust="spacingAndGlyphs"' if len(text) > 1 else ""
            yield f'<text class="{name}" x="{x}" y="{row * LINE + BASELINE}"{fitted}>{escape(text)}</text>'
        column += cells


def _words(text: str) -> Iterator[tuple[str, int]]:
    """The parts of a text between blanks, each with its column."""
    column = 0
    for is_blank, characters in groupby(text, str.isspace):
        part = "".join(characters)
        if not is_blank:
            yield part, column
        column += cell_len(part)


def _look(style: Style, colour: str) -> str:
    lines = decoration(style)
    parts = [
        f"fill: {colour}",
        "font-weight: bold" if style.bold else "",
        f"fill-opacity: {FAINT}" if style.dim else "",
        f"text-decoration: {lines}" if lines else "",
    ]
    return "; ".join(filter(None, parts))
