"""What a user takes away from the screen: its text, in the clipboard, and pictures of it, in the run's directory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from textual import work
from textual.strip import Strip

from engine.errors import UserError
from engine.runs.pictures import add_picture
from tui.app.switching import SECONDS_TO_READ, SwitchingApp
from tui.app.themes import DARK
from tui.panes.pane import Pane
from tui.rendering.film_svg import film_svg
from tui.rendering.text import path_from_here
from tui.screens.in_thread import in_thread
from tui.screens.inside import InsideScreen
from tui.terminal.frame import lines_on_screen


class ExportingApp(SwitchingApp):
    """Copies the text of the pane with the focus, and draws that pane, or the whole screen, as an SVG image."""

    @property
    def _pane_in_front(self) -> Pane:
        return self.screen.pane if isinstance(self.screen, InsideScreen) else self.dashboard.current

    def action_copy_pane(self) -> None:
        """Copy what the pane says, with its title."""
        pane = self._pane_in_front
        texts = [str(pane.border_title or ""), *(line.text.rstrip() for line in pane.seen_lines())]
        self.copy_to_clipboard("\n".join([*texts, pane.subtitle]).strip() + "\n")

    def action_picture_pane(self) -> None:
        """Write a picture of the pane, with its border."""
        pane = self._pane_in_front
        x, y, width, height = pane.region
        lines = [line.crop(x, x + width) for line in lines_on_screen(self)[y : y + height]]
        self._write_picture(lines, pane.view or type(pane).__name__.removesuffix("Pane").lower())

    def action_picture_screen(self) -> None:
        """Write a picture of the screen, without its keys, which do nothing in a picture."""
        self._write_picture(lines_on_screen(self)[:-1], "screen")

    @work
    async def _write_picture(self, lines: Sequence[Strip], what: str) -> None:
        info, latest = self.viewer.link.info, self.viewer.latest
        if not info.directory:
            self.notify("The run is on another host, and there is no place for its pictures here", severity="warning")
            return
        if not any(line.cell_length for line in lines):  # the window is too small, or the pane has just been hidden
            self.notify("Nothing of it is on the screen, so there is no picture", severity="warning")
            return
        step = self.dashboard.moment if self.dashboard.moment is not None else latest.step if latest else 0
        theme = self.current_theme
        ink, ground = theme.foreground or DARK.foreground or "", theme.background or DARK.background or ""
        image = film_svg([lines], 1.0, f"{info.name}: {what} at step {step}", ink, ground)
        try:
            path = await in_thread(partial(add_picture, Path(info.directory), f"{what}-{step}", image.encode()))
        except UserError as error:
            self.notify(str(error), severity="error", timeout=SECONDS_TO_READ)
        else:
            self.notify(f"Written to {path_from_here(path)}", timeout=SECONDS_TO_READ)
