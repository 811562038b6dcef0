"""The names of the panes as tabs, for a screen on which not all panes are seen."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Static


class PaneTab(Static):
    """The name of a pane, after the number key that shows it."""

    class Chosen(Message):
        """The user clicked this tab."""

        def __init__(self, pane: str) -> None:
            self.pane = pane
            super().__init__()

    def __init__(self, number: int, pane: str, title: str) -> None:
        self.pane = pane
        super().__init__(Content.assemble((f" {number}", "$foreground-muted"), f" {title} "))

    def on_click(self) -> None:
        self.post_message(self.Chosen(self.pane))


class PaneTabs(Horizontal):
    """A tab for each pane."""

    def __init__(self, titles: Mapping[str, str]) -> None:
        self._titles = titles
        super().__init__()

    def compose(self) -> ComposeResult:
        for number, (pane, title) in enumerate(self._titles.items(), start=1):
            yield PaneTab(number, pane, title)

    def mark(self, current: str, seen: Collection[str]) -> None:
        """Show which pane has the focus, and which of the others are `seen`."""
        for tab in self.query(PaneTab):
            tab.set_class(tab.pane == current, "-current")
            tab.set_class(tab.pane in seen, "-seen")
