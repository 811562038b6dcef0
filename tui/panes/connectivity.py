"""The connectivity pane: which characters of a prompt a prediction rests on."""

from __future__ import annotations

from typing import ClassVar, get_args

from textual.binding import Binding, BindingType
from textual.geometry import Offset
from textual.strip import Strip

from engine.session.messages import Connectivity, ConnectivityMode, Event, MomentRecorded, RunInfo, Snapshot
from tui.panes.pane import ViewChanged, is_older
from tui.panes.typed import TypedPane
from tui.rendering.attribution import attribution
from tui.rendering.colour import Palette
from tui.rendering.connectivity_picture import ConnectivityContent, connectivity_picture

MODES: tuple[ConnectivityMode, ...] = get_args(ConnectivityMode)


class ConnectivityPane(TypedPane):
    """A prompt that the user types and then walks through; its colours show what each prediction rests on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "type", "Type", id="connectivity.type", tooltip="Type a prompt"),
        Binding("enter,escape", "stop_typing", "Done", id="connectivity.done", tooltip="Letters are keys again"),
        Binding("left", "walk(-1)", "Walk", id="connectivity.left", tooltip="What the prediction before rested on"),
        Binding("right", "walk(1)", "Walk", id="connectivity.right", tooltip="What the next prediction rests on"),
        Binding("home", "go(0)", "Start", show=False, id="connectivity.home", tooltip="To the first character"),
        Binding("end", "go(-1)", "End", show=False, id="connectivity.end", tooltip="To the last character"),
        Binding("up", "ask(-1)", "Ask", id="connectivity.up", tooltip="What would have made it say this one?"),
        Binding("down", "ask(1)", "Ask", id="connectivity.down", tooltip="What would have made it say this one?"),
        Binding("m", "mode", "Mode", id="connectivity.mode", tooltip="Gradient of the logit, squared, or of the loss"),
        Binding("o", "occlusion", "Occlude", id="connectivity.occlusion", tooltip="Check by replacing each character"),
        Binding(
            "t", "keep", "Keep", id="connectivity.keep", tooltip="Keep this picture beneath the newest, or drop it"
        ),
        Binding("pageup", "moment(-1)", "Earlier", id="connectivity.earlier", tooltip="Answer with earlier weights"),
        Binding("pagedown", "moment(1)", "Later", id="connectivity.later", tooltip="Answer with later weights"),
    ]
    HELP: ClassVar[str] = """\
## Connectivity

Type a prompt. The colour of each character shows how much the network's score for one next character would change
if that character changed a little. From weak to strong: none, light blue, dark blue, red. The digit beneath says the
same in tenths of the strongest (`·` is less than one, blank exactly none). The **green** character, marked ▲, is the
one asked about.

**Which character is asked about** stands on top: the *actual* next one where the prompt goes on, the *most probable*
one at the end, or one *picked* with ↑ ↓ from the candidates: which characters speak for that one?

**Walk** with ← →, while typing too: at each place you see what that prediction rested on, always characters before it.

**max** is the strongest value. Colours are relative to it, so compare two pictures only together with it.
**reach** is the mean distance of the characters, weighted by their connectivity.

**Modes** (`m`): *logit* is the length of the gradient of the score, *squared* its square (few characters stand out
more), *loss* the gradient of the loss.

**Check** (`o`): replaces each character by others and measures the change of the score. A second row of digits shows
it, and the rank correlation says how well the two rows agree. If it is low, do not trust the colours: a gradient
describes very small changes only.

**Compare**: `t` keeps the picture (○) beneath the newest (●); page up and page down answer with the weights of
earlier and later moments of the run.

Characters that are not in the training text are struck out and left out.

What it does not show: *why* a character counts, nor that the network understands anything.
"""

    def __init__(self, **options: str | None) -> None:
        super().__init__(**options)
        self._forget()

    def _forget(self) -> None:
        self._vocabulary: frozenset[str] = frozenset()
        self._message: Connectivity | None = None
        self._older = False  # `_message` lies far behind the run
        self._kept: Connectivity | None = None
        self._kept_position = -1
        self._position = -1  # of the prediction, among the known characters; -1 is the last
        self._candidate = ""
        self._mode: ConnectivityMode = "logit"
        self._occlusion = False
        self._moments: list[int] = []
        self._moment: int | None = None
        self._reach: tuple[float, ...] = ()

    # --- from the run ----------------------------------------------------------------------

    def begin(self, info: RunInfo) -> None:
        """Another run comes on the screen: take its vocabulary, empty the prompt."""
        self._forget()
        self.empty_prompt()
        self._vocabulary = frozenset(info.vocabulary)
        self._changed()

    def hear(self, event: Event) -> None:
        """Note the recorded moments: their weights are kept, and can answer."""
        if isinstance(event, MomentRecorded) and event.flow.step not in self._moments:
            self._moments = sorted({*self._moments, event.flow.step})

    def show(self, snapshot: Snapshot) -> None:
        """Draw the newest answer, unless it is on the screen already."""
        message = snapshot.connectivity
        reach = tuple(float(value) for value in snapshot.history.reach)
        older = message is not None and self._moment is None and is_older(message.step, snapshot.step)
        if message is self._message and (older, reach) == (self._older, self._reach):
            return
        self._message, self._older, self._reach = message or self._message, older, reach
        if message is not None:
            self.suggest(message.prompt)
        self._changed()

    # --- drawing ---------------------------------------------------------------------------

    def is_known(self, char: str) -> bool:
        """Whether the network can read `char`."""
        return char in self._vocabulary

    def _known(self) -> str:
        return "".join(filter(self.is_known, self.prompt.text))

    def _changed(self) -> None:
        self.entitle("Connectivity", f"{self._mode}{' · occlusion' if self._occlusion else ''}")
        self.repaint()

    def paint(self, width: int, height: int, palette: Palette) -> list[Strip]:
        """The coloured prompt, the candidates and the notes."""
        content = ConnectivityContent(
            text=self.prompt.text,
            is_known=self.is_known,
            message=self._message,
            older=self._older,
            position=self._position,
            caret=self.prompt.caret if self.typing else None,
            candidate=self._candidate,
            mode=self._mode,
            occlusion=self._occlusion,
            moment=self._moment,
            kept=self._kept,
            kept_position=self._kept_position,
            reach=self._reach,
        )
        strips, caret = connectivity_picture(content, width, height, palette)
        if caret is not None and self.has_focus:
            # An input method opens its window at the terminal's own cursor.
            self.app.cursor_position = self.content_region.offset + Offset(*caret)
        return strips

    # --- typing ----------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer the keys for typing while typing, the others otherwise."""
        if action in ("type", "stop_typing", "walk", "go", "ask", "mode", "occlusion", "keep", "moment"):
            if action == "moment" and not self._moments:
                return False
            return self.typing == (action == "stop_typing")
        return True

    def edited(self) -> None:
        """Ask about the new text, for the prediction at the caret."""
        self._position, self._candidate = self._place(self._left_of_caret()), ""
        self.post_message(ViewChanged(prompt=self.prompt.text, position=self._position, candidate=""))
        self._changed()

    def caret_moved(self) -> None:
        """Ask about the prediction at the caret."""
        self._go(self._left_of_caret())

    def _left_of_caret(self) -> int:
        """The known character to the left of the caret; at the start, the first one."""
        return max(sum(map(self.is_known, self.prompt.text[: self.prompt.caret])) - 1, 0)

    # --- walking ---------------------------------------------------------------------------

    def action_walk(self, places: int) -> None:
        """Go to an earlier or later prediction."""
        last = len(self._known()) - 1
        here = last if self._position < 0 else min(self._position, last)
        self._go(max(here + places, 0))

    def action_go(self, position: int) -> None:
        """Go to the prediction after character `position`."""
        self._go(position)

    def _place(self, position: int) -> int:
        """`position`, but -1 for the last one."""
        return -1 if position >= len(self._known()) - 1 else position

    def _go(self, position: int) -> None:
        position = self._place(position)
        if (position, "") != (self._position, self._candidate):
            self._position, self._candidate = position, ""
            self.post_message(ViewChanged(position=position, candidate=""))
        self._changed()

    def action_ask(self, places: int) -> None:
        """Ask about another candidate. "" stands for the default: the actual or the most probable character."""
        prediction = attribution(self._message, self._position) if self._message is not None else None
        if self._message is None or prediction is None:
            return
        candidates = [candidate.char for candidate in prediction.candidates]
        default = self._message.prompt[prediction.position + 1 :][:1] or next(iter(candidates), "")
        choices = ["" if char == default else char for char in candidates]
        if "" not in choices:
            choices.insert(0, "")
        asked = "" if self._candidate == default else self._candidate
        here = choices.index(asked if asked in choices else "")
        self._candidate = choices[(here + places) % len(choices)]
        self.post_message(ViewChanged(position=self._position, candidate=self._candidate))
        self._changed()

    # --- asking differently ----------------------------------------------------------------

    def action_mode(self) -> None:
        """Go on to the next measure."""
        self._mode = MODES[(MODES.index(self._mode) + 1) % len(MODES)]
        self.post_message(ViewChanged(mode=self._mode))
        self._changed()

    def action_occlusion(self) -> None:
        """Switch the check by replacing characters on or off."""
        self._occlusion = not self._occlusion
        self.post_message(ViewChanged(occlusion=self._occlusion, position=self._position))
        self._changed()

    def action_keep(self) -> None:
        """Keep the picture for comparison, or drop the kept one."""
        self._kept = self._message if self._kept is None else None
        self._kept_position = self._position
        self._changed()

    def action_moment(self, places: int) -> None:
        """Answer with the weights of another moment; after the last one comes now."""
        here = self._moments.index(self._moment) if self._moment in self._moments else len(self._moments)
        here = min(max(here + places, 0), len(self._moments))
        self._moment = self._moments[here] if here < len(self._moments) else None
        self.post_message(ViewChanged(moment=self._moment))
        self._changed()
