"""The help: what the keys do, and how to read the screen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Markdown, Static

from tui.panes import keys
from tui.terminal.hasty_input import OverScreen

KEY_WIDTH = 10


class HelpScreen(OverScreen[None]):
    """A page to scroll: sections of a text in Markdown and the keys that belong to it, with a line for each key."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.HELP]

    def __init__(self, sections: Iterable[tuple[str, Iterable[BindingType]]]) -> None:
        self._sections = sections
        super().__init__()

    def compose(self) -> ComposeResult:
        with VerticalScroll() as page:
            page.border_title = "Help"
            page.border_subtitle = "↑ ↓ scroll · esc close"
            for text, keys in self._sections:
                yield Markdown(text)
                yield Static(_list_of(keys, self.app), classes="keys")

    def action_down(self) -> None:
        self.query_one(VerticalScroll).scroll_down(animate=False)

    def action_up(self) -> None:
        self.query_one(VerticalScroll).scroll_up(animate=False)


def _list_of(keys: Iterable[BindingType], app: App[Any]) -> Content:
    lines = [(app.get_key_display(binding), binding.tooltip) for binding in Binding.make_bindings(keys)]
    return Content("\n").join(
        Content.assemble((key.rjust(KEY_WIDTH), "bold $footer-key-foreground"), f"  {what}") for key, what in lines
    )
