"""The first line: the program, the network, the text, the run and its state."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widget import Widget

from engine.session.messages import Held, RunInfo, Snapshot, State
from tui.panes.pane import MomentTurned
from tui.rendering.numbers import minus, time_left
from tui.rendering.text import visible_text
from tui.widgets.status import ONE_LINE, process_fields

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


# What goes on while an earlier moment is shown.
MEANWHILE: dict[State, str] = {"training": "training goes on", "paused": "the run is paused"}


class HeaderLine(Widget):
    """One line, repainted only when one of its words changes. The wheel walks through the moments."""

    def __init__(self) -> None:
        self._parts: tuple[str, ...] = ()
        self._state = ("starting", *STATES["starting"])  # word, glyph, colour
        self._moment: int | None = None  # the step that the dashboard shows; None is now
        self._held: tuple[Held, ...] = ()  # units that are held fixed
        self._meanwhile = ""  # what the run does; empty until the answers of the moment are there
        self._left = ""  # how long the training will take
        self._process: tuple[str, ...] = ()  # what its processes take
        super().__init__()

    def begin(self, info: RunInfo, *, is_remote: bool) -> None:
        """Name a run, and say where it trains if that is not here."""
        self._left, self._process = "", ()
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
        meanwhile = ""
        if self._moment is not None and snapshot.moment == self._moment:
            meanwhile = "the run has ended" if snapshot.is_over else MEANWHILE.get(state, f"the run is {state}")
        if meanwhile != self._meanwhile:
            self._meanwhile = meanwhile
            self.refresh()
        left = "" if snapshot.seconds_left is None else f"{time_left(snapshot.seconds_left)} left"
        process = tuple(f"{label} {value.strip()}" for label, value, _ in process_fields(snapshot))
        if (left, process) != (self._left, self._process):
            self._left, self._process = left, process
            self.refresh()
        if snapshot.held != self._held:
            self._held = snapshot.held
            self.refresh()
        self.say(*(("out of touch", "?", "$error") if snapshot.is_out_of_touch else (state, *STATES[state])))

    def look_at(self, moment: int | None) -> None:
        """Say loudly that the dashboard shows the run as it was after step `moment`; None: it shows now."""
        self._moment, self._meanwhile = moment, ""
        self.refresh()

    def say(self, word: str, glyph: str = "·", colour: str = "$foreground-muted") -> None:
        """Show what goes on with the run, until the next snapshot."""
        if (word, glyph, colour) != self._state:
            self._state = (word, glyph, colour)
            self.refresh()

    def on_mouse_scroll_up(self) -> None:
        self.post_message(MomentTurned(-1))

    def on_mouse_scroll_down(self) -> None:
        self.post_message(MomentTurned(1))

    def render(self) -> Content:
        word, glyph, colour = self._state
        state = Content.styled(f"{glyph} {word} ", f"bold {colour}")
        program = Content.styled(" charrnn-tui ", "bold $primary")
        if self._moment is not None:
            program += self._shown_moment(self._moment)
        if self._held:
            program += Content.styled(f" {held_words(self._held)} ", "bold reverse $warning") + " "
        room = self.size.width - state.cell_length - program.cell_length
        run = Content.styled(" " + " · ".join(self._parts), "$foreground-muted")
        run = run.truncate(max(room - 1, 0), ellipsis=True) + " "
        aside = self._aside(room - run.cell_length)
        gap = Content(" " * max(room - run.cell_length - aside.cell_length, 0))
        return Content.assemble(program, run, gap, aside, state)

    def _aside(self, room: int) -> Content:
        """The time left and, where the status line has no room for them, the figures of the processes, as far as fit.

        Here the name of the run comes first.
        """
        words = [self._left] if self._left else []
        words += self._process if self.size.width >= ONE_LINE else ()
        while words and len(" · ".join(words)) + 2 > room:
            words.pop()
        return Content.styled(" " + " · ".join(words) + " ", "$foreground-muted") if words else Content("")

    def _shown_moment(self, moment: int) -> Content:
        if not self._meanwhile:
            return Content.styled(f" → step {moment:,} … ", "bold reverse $accent")
        words = Content.styled(f" {self._meanwhile} · end: now ", "bold $accent")
        return Content.styled(f" ◀ step {moment:,} ", "bold reverse $accent") + words


def held_words(held: Sequence[Held]) -> str:
    """Which units are held fixed, and at which value if there is one alone."""
    if len(held) > 1:
        return f"{len(held)} units held"
    (only,) = held
    layer = f" of layer {only.layer + 1}" if only.layer else ""
    value = minus(f"{only.value:g}")
    return f"unit {only.unit}{layer} held at {value}"
