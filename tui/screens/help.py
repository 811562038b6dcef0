"""What the keys do, and how to read each pane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Markdown, Static

from tui.keys import KEYS
from tui.panes.pane import Pane

KEY_WIDTH = 10
COMMON = """\
# Keys

They act whatever pane has the focus, but not while you type. `ctrl+p` finds any of them by its name. `ctrl+z` goes to
the shell, and `fg` comes back. `ctrl+l` paints the screen again.
"""


class HelpScreen(ModalScreen[None]):
    """One page to scroll; the pane that had the focus comes first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "dismiss", "close", id="help.close"),
        Binding("j", "down", "down", show=False, id="help.down"),
        Binding("k", "up", "up", show=False, id="help.up"),
    ]

    def __init__(self, current: Pane, panes: Sequence[Pane]) -> None:
        self._panes = [current, *(pane for pane in panes if pane is not current)]
        super().__init__()

    def compose(self) -> ComposeResult:
        """The page."""
        first, *others = self._panes
        with VerticalScroll() as page:
            page.border_title = "Help"
            page.border_subtitle = "↑ ↓ scroll · esc close"
            yield Markdown(first.HELP)
            yield Markdown(COMMON)
            yield Static(_keys(self.app), id="keys")
            yield Markdown("\n\n".join(pane.HELP for pane in others))

    def action_down(self) -> None:
        """Scroll down."""
        self.query_one(VerticalScroll).scroll_down(animate=False)

    def action_up(self) -> None:
        """Scroll up."""
        self.query_one(VerticalScroll).scroll_up(animate=False)


def _keys(app: App[Any]) -> Content:
    lines = [(app.get_key_display(binding), binding.tooltip) for binding in KEYS]
    return Content("\n").join(
        Content.assemble((key.rjust(KEY_WIDTH), "bold $footer-key-foreground"), f"  {what}") for key, what in lines
    )
