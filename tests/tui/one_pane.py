"""An app with one pane in it, and what the pane asked for: for tests of a pane by itself."""

from __future__ import annotations

import dataclasses

from fake_run import FakeLink
from textual.app import App

from tui.panes.pane import CommandRequested, Pane, ViewChanged


class OnePane(App[None]):
    """Puts `pane` on a `FakeLink`; what it asks for takes effect only when `answer` is called."""

    CSS = "Pane { border: round white; width: 1fr; height: 1fr; }"

    def __init__(self, pane: Pane, link: FakeLink | None = None) -> None:
        super().__init__()
        self.pane = pane
        self.link = link or FakeLink()
        self.changes: list[dict[str, object]] = []
        self.commands: list[object] = []

    def compose(self):
        yield self.pane

    def on_mount(self):
        self.pane.begin(self.link.info)
        self.pane.focus()

    def on_view_changed(self, message: ViewChanged):
        self.changes.append(message.changes)
        self.link.view = dataclasses.replace(self.link.view, **message.changes)

    def on_command_requested(self, message: CommandRequested):
        self.commands.append(message.command)
        message.number = self.link.send(message.command)

    def answer(self):
        for event in self.link.events():
            self.pane.hear(event)
        self.pane.show(self.link.snapshot())

    def lines(self) -> list[str]:
        """What stands inside the border."""
        return [self.pane.render_line(y).text for y in range(self.pane.size.height)]

    def text(self) -> str:
        return "\n".join(self.lines())

    def on_screen(self) -> str:
        """Everything that the terminal shows."""
        return "\n".join("".join(segment.text for segment in line) for line in self.screen._compositor.render_strips())

    def characters(self, y: int) -> list[tuple[str, object]]:
        """Each character of a line with its style."""
        return [(char, segment.style) for segment in self.pane.render_line(y) for char in segment.text]


def redrawn(pane: Pane) -> list[int | None]:
    """From now on, the lines that the pane asks to have drawn again; None stands for all of them."""
    lines: list[int | None] = []
    refresh = pane.refresh

    def watched(*regions, **options):
        lines.extend([region.y for region in regions] or [None])
        return refresh(*regions, **options)

    pane.refresh = watched
    return lines
