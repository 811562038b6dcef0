"""Sends only the cells that changed to the terminal.

Textual sends whole lines of a widget, and repeats all attributes wherever the colour changes. Over a slow connection
most of a dashboard's bytes are such repetitions. So a `Canvas` remembers what the terminal shows, and each of
Textual's updates is compared with it, cell by cell.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Generic

from rich.cells import cell_len
from rich.color import Color, ColorSystem
from rich.console import Console, RenderableType
from rich.segment import Segment
from rich.style import Style
from textual._compositor import CompositorUpdate
from textual.app import App, ReturnType
from textual.driver import Driver
from textual.geometry import Size
from textual.screen import Screen
from textual.strip import Strip

from engine.printable import printable

BRIDGE = 4  # unchanged cells that are cheaper to write again than to jump over
UNKNOWN = "\0"  # stands for a cell whose contents are not known
PLAIN = Style()

# For each cell its character ("" for the second cell of a wide character), and for each cell its style.
Line = tuple[list[str], list[Style]]


class Canvas:
    """What the terminal shows now, as far as this program knows."""

    def __init__(self) -> None:
        self._size = Size(0, 0)
        self._lines: list[Line] = []
        self._styles: dict[Style, Style] = {}  # one object for equal styles: `is` compares them

    def resize(self, size: Size) -> None:
        """Note the size of the terminal. If it changed, the contents of all cells are unknown."""
        if size != self._size:
            self._size = size
            self.forget()

    def forget(self) -> None:
        """Mark all cells as unknown, as another program may have written to the terminal."""
        self._lines = [([UNKNOWN] * self._size.width, [PLAIN] * self._size.width) for _ in range(self._size.height)]
        self._styles.clear()

    def _known(self, style: Style) -> Style:
        """The one object for all styles that look like this one; marks that only the mouse needs are left out."""
        known = self._styles.get(style)
        if known is None:
            bare = style.clear_meta_and_links() if style._meta else style
            known = self._styles[style] = self._styles.setdefault(bare, bare)
        return known

    def paint(self, segments: Iterable[Segment], color_system: ColorSystem) -> str:
        """The escape sequences that make the terminal show `segments`, in which control segments move the cursor."""
        painted: dict[int, Line] = {}
        spans: dict[int, tuple[int, int]] = {}
        x = y = 0
        for text, style, control in segments:
            if control:
                _, x, y = control[0]  # type: ignore[misc]  # the compositor only ever moves
            elif y < self._size.height and x < self._size.width and text != "\n":  # else: of a larger screen
                if y not in painted:
                    chars, styles = self._lines[y]
                    painted[y] = (chars[:], styles[:])
                cells = _cells(text)[: self._size.width - x]
                end = x + len(cells)
                painted[y][0][x:end] = cells
                painted[y][1][x:end] = [self._known(style) if style else PLAIN] * len(cells)
                first, last = spans.get(y, (x, end))
                spans[y] = (min(first, x), max(last, end))
                x = end
        sequences: list[str] = []
        pen: Style | None = None
        for y, line in painted.items():
            if UNKNOWN in line[0]:  # in a gap between two changes: the terminal would skip it and shift the rest
                start, end = spans[y]
                line[0][start:end] = [" " if char == UNKNOWN else char for char in line[0][start:end]]
            for start, end in _stretches(self._lines[y], line, spans[y]):
                sequences.append(f"\x1b[{y + 1};{start + 1}H")
                pen = _write(sequences, line, start, end, pen, color_system)
            self._lines[y] = line
        return "".join([*sequences, "\x1b[0m"]) if sequences else ""


class Repaint(CompositorUpdate):
    """One of Textual's updates, reduced to the cells that differ from the canvas."""

    def __init__(self, update: CompositorUpdate, canvas: Canvas) -> None:
        self._update, self._canvas = update, canvas

    def render_segments(self, console: Console) -> str:
        """The escape sequences of the update. Textual's driver asks for them."""
        segments = console.render(self._update)  # type: ignore[arg-type]  # all updates are renderable
        return self._canvas.paint(segments, console._color_system or ColorSystem.TRUECOLOR)


class RepaintingApp(App[ReturnType], Generic[ReturnType]):
    """An app that sends only the cells that changed; its action `paint_again` sends all of them."""

    def __init__(self, driver_class: type[Driver] | None = None) -> None:
        super().__init__(driver_class=driver_class)
        self._canvas = Canvas()

    def on_mount(self) -> None:
        """Repaint after ctrl+z and `fg`: the shell has written over the screen."""
        self.app_resume_signal.subscribe(self, lambda _: self.action_paint_again())

    def action_paint_again(self) -> None:
        self._canvas.forget()
        self.screen.refresh(layout=True)

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        self._canvas.resize(screen.size)
        if isinstance(renderable, CompositorUpdate):
            renderable = Repaint(renderable, self._canvas)
        super()._display(screen, renderable)


@lru_cache(maxsize=4096)
def _cells(text: str) -> list[str]:
    """The cells of `text`; a character without width (a combining mark) shares the cell of the one before it.

    The last fence before the terminal: controls, which Textual counts as no cell, are left out.
    """
    cells: list[str] = []
    for char in text:
        width = 1 if " " <= char < "\x7f" else cell_len(char)
        if (shown := printable(char)) != char:
            if width == 0:
                continue
            char = shown
        if width == 0 and cells:
            cells[-1] += char
        else:
            cells += [char, *[""] * (width - 1)]
    return cells


def _stretches(old: Line, new: Line, span: tuple[int, int]) -> list[tuple[int, int]]:
    """The column ranges (start, end) within `span` in which `new` differs from `old`.

    Terminals disagree about the width of some wide characters, so a line that has one is written whole.
    """
    if old == new:
        return []
    if "" in old[0] or "" in new[0]:
        return [span]
    stretches: list[tuple[int, int]] = []
    chars, styles, old_chars, old_styles = *new, *old
    for x in range(*span):
        if chars[x] == old_chars[x] and styles[x] is old_styles[x]:
            continue
        if stretches and x - stretches[-1][1] <= BRIDGE:
            stretches[-1] = (stretches[-1][0], x + 1)
        else:
            stretches.append((x, x + 1))
    return stretches


def _write(out: list[str], line: Line, x: int, end: int, pen: Style | None, color_system: ColorSystem) -> Style | None:
    """Append to `out` what writes columns `x` to `end` of `line`; returns the style in force afterwards."""
    chars, styles = line
    while x < end:
        style, start = styles[x], x
        while x < end and styles[x] is style:
            x += 1
        if style is not pen:
            out.append(_turn(pen, style, color_system))
            pen = style
        out.append("".join(chars[start:x]))
    return pen


@lru_cache(maxsize=16384)
def _turn(pen: Style | None, style: Style, color_system: ColorSystem) -> str:
    """The escape sequence that changes the style in force from `pen` to `style`."""
    if pen is None or pen.without_color != style.without_color or not (style.color and style.bgcolor):
        return f"\x1b[0;{codes}m" if (codes := Strip.render_ansi(style, color_system)) else "\x1b[0m"
    changed = [
        *(_codes(style.color, color_system) if style.color != pen.color else ()),
        *(_codes(style.bgcolor, color_system, foreground=False) if style.bgcolor != pen.bgcolor else ()),
    ]
    return f"\x1b[{';'.join(changed)}m" if changed else ""


def _codes(color: Color, color_system: ColorSystem, *, foreground: bool = True) -> tuple[str, ...]:
    return color.downgrade(color_system).get_ansi_codes(foreground)
