"""What the five instruments have in common: a bordered, focusable widget that is fed snapshots."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.binding import BindingType
from textual.message import Message
from textual.widget import Widget

from engine.messages import Command, Event, RunInfo, Snapshot


class ViewChanged(Message):
    """A pane wants to be answered differently: fields of `engine.messages.View` with their new values."""

    def __init__(self, **changes: Any) -> None:
        self.changes = changes
        super().__init__()


class CommandRequested(Message):
    """A pane wants a command sent to the run."""

    def __init__(self, command: Command) -> None:
        self.command = command
        super().__init__()


class Pane(Widget, can_focus=True):
    """One instrument.

    The dashboard calls `begin` once for every run that is put on the screen, `hear` for every event
    (visible or not), and `show` at most some times a second with the newest snapshot, only while the
    pane is visible. `show` keeps the snapshot and repaints only what changed. Keys of a pane act while
    it has the focus; they stand in its BINDINGS with an id and a tooltip.
    """

    BINDINGS: ClassVar[list[BindingType]] = []
    HELP: ClassVar[str] = ""  # Markdown: how to read this pane

    def begin(self, info: RunInfo) -> None:
        """A run is put on the screen; forget the one before."""

    def hear(self, event: Event) -> None:
        """Something happened in the run."""

    def show(self, snapshot: Snapshot) -> None:
        """Draw the newest snapshot."""
