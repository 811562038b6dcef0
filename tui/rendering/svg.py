"""Lines of a picture as an SVG image, or as an HTML page with the image. Neither loads other files.

Every character is centred in its own cells, so that columns are straight in any font.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from rich.cells import cell_len
from rich.style import Style
from textual.strip import Strip

from tui.rendering.numbers import EIGHTHS

CELL, LINE, SIZE, MARGIN = 9, 20, 15, 16  # width and height of a cell, font size and margin, in pixels
BASELINE, BETWEEN_BARS = 15, 3  # pixels: from the top of a line to its baseline, above and below a bar
INK, GROUND = "#202020", "#ffffff"
FAINT = 0.55  # opacity of dim text
FONTS = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"


def svg(strips: Sequence[Strip], title: str, columns: int) -> str:
    """An SVG image of the lines on a white ground; a screen reader reads `title`."""
    width, height = columns * CELL + 2 * MARGIN, len(strips) * LINE + 2 * MARGIN
    shapes = [shape for row, strip in enumerate(strips) for shape in _shapes(strip, row)]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="{GROUND}"/>',
        f'<g font-family="{FONTS}" font-size="{SIZE}" text-anchor="middle">',
        *shapes,
        "</g>",
        "</svg>",
        "",
    ])  # fmt: skip


def page(image: str, title: str) -> str:
    """An HTML page that shows `image`."""
    return "\n".join([
        "<!DOCTYPE html>",
        '<html lang="en">',
        f'<head><meta charset="utf-8"><title>{escape(title)}</title>',
        "<style>body { margin: 0; background: #fff } svg { max-width: 100%; height: auto }</style></head>",
        f"<body>\n{image}</body>",
        "</html>",
        "",
    ])  # fmt: skip


def _shapes(strip: Strip, row: int) -> Iterator[str]:
    column = 0
    for text, style, _ in strip:
        style = style or Style()
        ink, ground = colours(style)
        if ground != GROUND:
            yield _rectangle(column, row, cell_len(text), ground)
        for glyph in _glyphs(text):
            cells = cell_len(glyph)
            if glyph in EIGHTHS[1:]:  # fonts leave gaps between block characters
                yield _rectangle(column, row, EIGHTHS.index(glyph) / 8, ink, BETWEEN_BARS)
            elif glyph != " ":
                x = MARGIN + (column + cells / 2) * CELL
                yield f'<text x="{x:g}" y="{MARGIN + row * LINE + BASELINE}"{_looks(style, ink)}>{escape(glyph)}</text>'
            column += cells


def _rectangle(column: int, row: int, cells: float, colour: str, gap: int = 0) -> str:
    x, y = MARGIN + column * CELL, MARGIN + row * LINE + gap
    return (
        f'<rect x="{x}" y="{y}" width="{cells * CELL:g}" height="{LINE - 2 * gap}" '
        f'fill="{colour}" shape-rendering="crispEdges"/>'
    )


def _glyphs(text: str) -> list[str]:
    """The characters, each with the combining marks after it."""
    glyphs: list[str] = []
    for char in text:
        if glyphs and cell_len(char) == 0:
            glyphs[-1] += char
        else:
            glyphs.append(char)
    return glyphs


def colours(style: Style, ink: str = INK, ground: str = GROUND) -> tuple[str, str]:
    """The colours (#rrggbb) of text and of what lies behind it; `ink` and `ground` where the style has none."""
    front = style.color.get_truecolor().hex if style.color else ink
    behind = style.bgcolor.get_truecolor().hex if style.bgcolor else ground
    return (behind, front) if style.reverse else (front, behind)


def decoration(style: Style) -> str:
    """The lines through or beneath text in this style, as SVG names them; empty if there are none."""
    return " ".join(name for name, on in (("underline", style.underline), ("line-through", style.strike)) if on)


def _looks(style: Style, ink: str) -> str:
    lines = decoration(style)
    attributes = [
        f' fill="{ink}"',
        ' font-weight="bold"' if style.bold else "",
        f' fill-opacity="{FAINT}"' if style.dim else "",
        f' text-decoration="{lines}"' if lines else "",
    ]
    return "".join(attributes)
