"""An app with one pane in it, and what the pane asked for: for tests of a pane by itself."""

from __future__ import annotations

import dataclasses
from typing import Any, Generic, TypeVar

from rich.style import Style
from textual.app import App, ComposeResult
from textual.geometry import Region

from engine.session.messages import Command
from tests.tui.fake_run import FakeLink
from tui.panes.pane import CommandRequested, Pane, ViewChanged

P = TypeVar("P", bound=Pane)


class OnePane(App[None], Generic[P]):
    """Puts `pane` on a `FakeLink`; what it asks for takes effect only when `answer` is called."""

    CSS = "Pane { border: round white; width: 1fr; height: 1fr; }"

    def __init__(self, pane: P, link: FakeLink | None = None) -> None:
        super().__init__()
        self.pane = pane
        self.link = link or FakeLink()
        self.changes: list[dict[str, Any]] = []  # fields of `View`
        self.commands: list[Command] = []

    def compose(self) -> ComposeResult:
        yield self.pane

    def on_mount(self) -> None:
        self.pane.begin(self.link.info)
        self.pane.focus()

    def on_view_changed(self, message: ViewChanged) -> None:
        self.changes.append(message.changes)
        self.link.view = dataclasses.replace(self.link.view, **message.changes)

    def on_command_requested(self, message: CommandRequested) -> None:
        self.commands.append(message.command)
        message.number = self.link.send(message.command)

    def answer(self) -> None:
        for event in self.link.events():
            self.pane.hear(event)
        self.pane.show(self.link.snapshot())

    def look_at(self, moment: int | None, *, beside_now: bool = False) -> None:
        """Go to a moment as the dashboard does, and have it answered."""
        self.pane.look_at(moment)
        self.link.view = dataclasses.replace(self.link.view, moment=moment, beside_now=beside_now)
        self.answer()

    @property
    def upper_border(self) -> str:
        """The title on the border."""
        return self.pane.border_title or ""

    @property
    def lower_border(self) -> str:
        """What is written on the border below."""
        return self.pane.border_subtitle or ""

    def lines(self) -> list[str]:
        """What stands inside the border."""
        return [self.pane.render_line(y).text for y in range(self.pane.size.height)]

    def text(self) -> str:
        return "\n".join(self.lines())

    def characters(self, y: int) -> list[tuple[str, Style]]:
        """Each character of a line with its style."""
        return [(char, segment.style or Style()) for segment in self.pane.render_line(y) for char in segment.text]


def redrawn(pane: Pane) -> list[int | None]:
    """From now on, the lines that the pane asks to have drawn again; None stands for all of them."""
    lines: list[int | None] = []
    refresh = pane.refresh

    def watched(*regions: Region, **options: bool) -> Pane:
        lines.extend([region.y for region in regions] or [None])
        return refresh(*regions, **options)

    pane.refresh = watched  # type: ignore[method-assign]  # of this one pane, to listen in
    return lines
