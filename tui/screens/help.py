"""What the keys do, and how to read each pane."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Markdown

from tui.keys import KEYS
from tui.panes.pane import Pane


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
        with VerticalScroll() as page:
            page.border_title = "Help"
            page.border_subtitle = "↑ ↓ scroll · esc close"
            yield Markdown(self._text())

    def _text(self) -> str:
        first, *others = self._panes
        sections = [_pane(self.app, first), "## Keys", _keys(self.app, KEYS)]
        return "\n\n".join([*sections, *(_pane(self.app, pane) for pane in others)])

    def action_down(self) -> None:
        """Scroll down."""
        self.query_one(VerticalScroll).scroll_down(animate=False)

    def action_up(self) -> None:
        """Scroll up."""
        self.query_one(VerticalScroll).scroll_up(animate=False)


def _pane(app: App[Any], pane: Pane) -> str:
    parts = [pane.HELP.strip()]
    if pane.BINDINGS:
        parts.append(_keys(app, pane.BINDINGS))
    return "\n\n".join(parts)


def _keys(app: App[Any], bindings: Iterable[BindingType]) -> str:
    rows = ["| key | does |", "|---|---|"]
    for binding in Binding.make_bindings(bindings):
        key = app.get_key_display(binding).replace("|", "\\|").replace("`", "\\`")
        rows.append(f"| **{key}** | {binding.tooltip or binding.description} |")
    return "\n".join(rows)
