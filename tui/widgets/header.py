"""The first line: the program, the network, the text, the run and its state."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from engine.session.messages import RunInfo, Snapshot, State
from tui.rendering.text import visible_text

# Glyph and colour. The word for the state stands beside them.
STATES: dict[State, tuple[str, str]] = {
    "starting": ("·", "$foreground-muted"),
    "training": ("▶", "$success"),
    "paused": ("‖", "$accent"),
    "finished": ("✓", "$success"),
    "stopped": ("■", "$accent"),
    "diverged": ("✗", "$error"),
    "failed": ("✗", "$error"),
    "crashed": ("✗", "$error"),
}


class HeaderLine(Widget):
    """One line, repainted only when one of its words changes."""

    def __init__(self) -> None:
        self._parts: tuple[str, ...] = ()
        self._state = ("starting", *STATES["starting"])  # word, glyph, colour
        super().__init__()

    def begin(self, info: RunInfo, *, is_remote: bool) -> None:
        """Name a run, and say where it trains if that is not here."""
        config = info.config
        where = " (detached)" if info.detached else " (in another process)" if is_remote else ""
        self._parts = (
            f"{config['cell']} {config['layers']}×{config['hidden']}",
            visible_text(info.text_name),
            f"run {visible_text(info.name)}{where}",
        )
        self.refresh()

    def show(self, snapshot: Snapshot) -> None:
        """Show the state of the run, or that it is not known."""
        state = snapshot.state
        self.say(*(("out of touch", "?", "$error") if snapshot.is_out_of_touch else (state, *STATES[state])))

    def say(self, word: str, glyph: str = "·", colour: str = "$foreground-muted") -> None:
        """Show what goes on with the run, until the next snapshot."""
        if (word, glyph, colour) != self._state:
            self._state = (word, glyph, colour)
            self.refresh()

    def render(self) -> Content:
        word, glyph, colour = self._state
        state = Content.styled(f"{glyph} {word} ", f"bold {colour}")
        program = Content.styled(" charrnn-tui ", "bold $primary")
        room = self.size.width - state.cell_length - program.cell_length
        run = Content.styled(" " + " · ".join(self._parts) + " ", "$foreground-muted").truncate(
            max(room, 0), ellipsis=True
        )
        gap = Content(" " * max(room - run.cell_length, 0))
        return Content.assemble(program, run, gap, state)
