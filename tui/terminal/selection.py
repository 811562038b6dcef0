"""Text that is selected with the mouse in widgets made of lines, and copied as soon as the button is let go.

Textual finds the character below the pointer by marks in the styles of a line. They would have to be renewed with every
line that is drawn; so here the place is computed when the mouse asks for it.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from rich.style import Style
from textual.events import TextSelected
from textual.geometry import Offset, Size
from textual.screen import Screen
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget

SELECTED = Style(reverse=True)


@runtime_checkable
class HasLines(Protocol):
    """A widget of which lines can be selected."""

    def line_at(self, y: int) -> Strip:
        """Line `y` of all that it has, seen or not; blank where there is none."""
        ...


class SelectsLines(Screen[None]):
    """A screen on which text can be selected within one `HasLines` at a time; it is copied."""

    def get_widget_and_offset_at(self, x: int, y: int) -> tuple[Widget | None, Offset | None]:
        """The widget at a place of the screen, and the column and line there of what it shows.

        While text is selected, the widget in which that began: the selection does not leave it.
        """
        begun = self._select_state.start.content_widget if self._selecting and self._select_state else None
        widget, offset = (begun, None) if begun is not None else super().get_widget_and_offset_at(x, y)
        if not isinstance(widget, HasLines):
            return widget, offset
        region = widget.scrollable_content_region
        column = min(max(x - region.x, 0), max(region.width - 1, 0))
        line = min(max(y - region.y, 0), max(region.height - 1, 0))
        return widget, Offset(column, line) + widget.scroll_offset

    def on_text_selected(self, event: TextSelected) -> None:
        """Copy what was selected, and select it no more: what stands there changes while the run goes on."""
        text = self.get_selected_text() if self.selections else None
        if text and text.strip():
            self.app.copy_to_clipboard(text)
        if self.selections:
            self.clear_selection()


def selected_text(widget: HasLines, selection: Selection, size: Size) -> str:
    """The text in `selection` of the lines of `widget`, `size` cells in all, without blanks at the ends of lines."""
    found = []
    for y in range(size.height):
        if (span := selection.get_span(y)) is not None:
            strip = widget.line_at(y)
            found.append(strip.crop(span[0], strip.cell_length if span[1] < 0 else span[1]).text.rstrip())
    return "\n".join(found)


def highlighted(strip: Strip, selection: Selection | None, y: int) -> Strip:
    """Line `y` with what is selected in it reversed."""
    span = None if selection is None else selection.get_span(y)
    if span is None:
        return strip
    start, end = span[0], strip.cell_length if span[1] < 0 else min(span[1], strip.cell_length)
    return Strip.join([strip.crop(0, start), strip.crop(start, end).apply_style(SELECTED), strip.crop(end)])
