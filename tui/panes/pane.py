"""What the five instruments have in common: a bordered, focusable widget that is fed snapshots."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from textual.binding import BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from engine.session.messages import Command, Event, RunInfo, Snapshot
from tui.rendering.colour import Palette, palette_of


class ViewChanged(Message):
    """A pane wants to be answered differently: fields of `engine.messages.View` with their new values."""

    def __init__(self, **changes: Any) -> None:
        self.changes = changes
        super().__init__()


class CommandRequested(Message):
    """A pane wants a command sent to the run. `number` is the command's number, once it is sent."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.number: int | None = None
        super().__init__()

    def is_obeyed(self, snapshot: Snapshot) -> bool:
        """Whether `snapshot` shows what the command did."""
        return self.number is not None and snapshot.obeyed >= self.number


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


class PaintedPane(Pane):
    """Subclasses say in `paint` what the pane looks like, and call `repaint` when that may have changed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._strips: list[Strip] = []
        self._titles = ("", "")

    @abstractmethod  # which mypy holds to: Textual's metaclass leaves no room for ABCMeta
    def paint(self, width: int, height: int, palette: Palette) -> list[Strip]:
        """The lines of the picture, each `width` cells wide; at most `height` of them are shown."""

    def entitle(self, title: str, subtitle: str = "") -> None:
        """Write on the border. Setting a title redraws the whole pane, so equal ones are left alone."""
        if self._titles != (title, subtitle):
            self._titles = (title, subtitle)
            self.border_title, self.border_subtitle = title.replace("[", r"\["), subtitle.replace("[", r"\[")

    def repaint(self) -> None:
        """Paint again; only lines that differ from what is on the screen are drawn."""
        if not self.is_on_screen:
            if self._strips:
                self._start_afresh()  # or the lines of before would be seen when it is shown again
            return
        before, self._strips = self._strips, self._painted()
        if len(before) != len(self._strips):
            self.refresh()
            return
        width = self.size.width
        changed = [y for y, (old, new) in enumerate(zip(before, self._strips, strict=True)) if old != new]
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def render_line(self, y: int) -> Strip:
        """Line `y` of the content."""
        if len(self._strips) != self.size.height:
            self._strips = self._painted()
        return self._strips[y].apply_style(self.rich_style)

    def _painted(self) -> list[Strip]:
        width, height = self.size
        strips = self.paint(width, height, palette_of(self.app))[:height]
        return strips + [Strip.blank(width)] * (height - len(strips))

    def _start_afresh(self) -> None:
        self._strips = []
        self.refresh()

    def on_mount(self) -> None:
        """Follow the theme: its colours are in every line."""
        self.watch(self.app, "theme", self._start_afresh, init=False)

    def on_resize(self) -> None:
        """Nothing painted before fits."""
        self._start_afresh()

    def on_focus(self) -> None:
        """The caret and the chosen row are shown only with the focus."""
        self.repaint()

    def on_blur(self) -> None:
        """The caret and the chosen row are shown only with the focus."""
        self.repaint()
