"""The strip of a lesson: what to see and what to do, in a few lines above the keys."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

KEYS = 1  # the line below the strip


class LessonStrip(Static):
    """Shows one step of a lesson. It takes its lines from the panes, and covers nothing.

    Notices stand above it.
    """

    DEFAULT_CSS = """
    LessonStrip { height: auto; min-height: 3; max-height: 40%; padding: 0 1; background: $panel; }
    """

    def __init__(self) -> None:
        self._shown = Content()
        super().__init__()

    def on_resize(self) -> None:
        self._put_notices(self.size.height + KEYS)

    def on_unmount(self) -> None:
        self._put_notices(KEYS)

    def _put_notices(self, lines: int) -> None:
        """Have notices end `lines` above the end of the screen."""
        for notices in self.screen.query("ToastRack"):
            notices.styles.margin = (0, 0, lines, 0)

    def say(self, head: str, text: Content) -> None:
        """Show a step's `head` and its `text`, if they differ from those shown."""
        content = Content.assemble((f"{head}: ", "bold $primary"), text)
        if content != self._shown:
            self._shown = content
            self.update(content)
