"""The strip of a lesson: what to see and what to do, in a few lines above the keys."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static


class LessonStrip(Static):
    """Shows one step of a lesson. It takes its lines from the panes, and covers nothing.

    Notices stand above it.
    """

    SCOPED_CSS = False  # the notices belong to the screen
    DEFAULT_CSS = """
    LessonStrip { height: auto; min-height: 3; max-height: 40%; padding: 0 1; background: $panel; }
    .-lesson ToastRack { margin-bottom: 4; }
    """

    def __init__(self) -> None:
        self._shown = Content()
        super().__init__()

    def on_mount(self) -> None:
        self.screen.add_class("-lesson")

    def on_unmount(self) -> None:
        self.screen.remove_class("-lesson")

    def say(self, head: str, text: Content) -> None:
        """Show a step's `head` and its `text`, if they differ from those shown."""
        content = Content.assemble((f"{head}: ", "bold $primary"), text)
        if content != self._shown:
            self._shown = content
            self.update(content)
