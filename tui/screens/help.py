"""The help: what the keys do, and how to read the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Markdown, Static

KEY_WIDTH = 10


class HelpScreen(ModalScreen[None]):
    """One page to scroll: the text `before`, a note about the keys, a line for each key, the text `after`.

    The texts are Markdown.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "dismiss", "close", id="help.close"),
        Binding("j", "down", "down", show=False, id="help.down"),
        Binding("k", "up", "up", show=False, id="help.up"),
    ]

    def __init__(self, before: str, about_keys: str, keys: Sequence[Binding], after: str = "") -> None:
        self._before, self._after = before, after
        self._about_keys = f"# Keys\n\n{about_keys}"
        self._keys = keys
        super().__init__()

    def compose(self) -> ComposeResult:
        with VerticalScroll() as page:
            page.border_title = "Help"
            page.border_subtitle = "↑ ↓ scroll · esc close"
            yield Markdown(self._before)
            yield Markdown(self._about_keys)
            yield Static(_keys(self.app, self._keys), id="keys")
            yield Markdown(self._after)

    def action_down(self) -> None:
        self.query_one(VerticalScroll).scroll_down(animate=False)

    def action_up(self) -> None:
        self.query_one(VerticalScroll).scroll_up(animate=False)


def _keys(app: App[Any], keys: Sequence[Binding]) -> Content:
    lines = [(app.get_key_display(binding), binding.tooltip) for binding in keys]
    return Content("\n").join(
        Content.assemble((key.rjust(KEY_WIDTH), "bold $footer-key-foreground"), f"  {what}") for key, what in lines
    )
