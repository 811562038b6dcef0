"""The first line: the program, the network, the text, the run and its state."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from engine.session.messages import RunInfo, State
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
        self._state: State = "starting"
        super().__init__()

    def begin(self, info: RunInfo) -> None:
        config = info.config
        self._parts = (
            f"{config['cell']} {config['layers']}×{config['hidden']}",
            visible_text(info.text_name),
            f"run {visible_text(info.name)}" + (" (detached)" if info.detached else ""),
        )
        self.refresh()

    def show(self, state: State) -> None:
        if state != self._state:
            self._state = state
            self.refresh()

    def render(self) -> Content:
        glyph, colour = STATES[self._state]
        state = Content.styled(f"{glyph} {self._state} ", f"bold {colour}")
        program = Content.styled(" charrnn-tui ", "bold $primary")
        room = self.size.width - state.cell_length - program.cell_length
        run = Content.styled(" " + " · ".join(self._parts) + " ", "$foreground-muted").truncate(
            max(room, 0), ellipsis=True
        )
        gap = Content(" " * max(room - run.cell_length, 0))
        return Content.assemble(program, run, gap, state)
