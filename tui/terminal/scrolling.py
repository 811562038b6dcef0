"""How long the content of a scroll view is, told to its scroll bar alone."""

from __future__ import annotations

from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.widget import Widget


def grow_to(view: ScrollView, size: Size) -> None:
    """Give `view`, whose scroll bars are always or never there, another virtual size.

    To set `virtual_size` would lay the whole screen out again and draw all of it. What has changed in the content is
    for the caller to draw.
    """
    if size != view.virtual_size:
        view.set_reactive(Widget.virtual_size, size)
        view._scroll_update(size)
