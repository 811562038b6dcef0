"""The portrait: the states of the network over held-out text in one plane, and the fixed points among them."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.binding import BindingType
from textual.strip import Strip

from engine.session.messages import Portrait, RunInfo, Snapshot
from engine.session.text_features import PATTERN
from tui.panes import keys
from tui.panes.answer import AnswerPane, towards
from tui.panes.pane import ViewChanged
from tui.rendering.colour import Palette
from tui.rendering.portrait_picture import PortraitContent, portrait_picture
from tui.rendering.strips import DIM, paragraph
from tui.rendering.text import named, visible_text


class PortraitPane(AnswerPane):
    """A map of the states, coloured by a feature, with the prompt's path over it."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.PORTRAIT]
    INSTRUMENT = "portrait"
    ANSWERS = ("portrait",)
    VIEWS = ("portrait",)
    HELP: ClassVar[str] = """\
## Cells: portrait

Each **sign** is where the state h of the top layer lies after a character of held-out text. A state is one number for
each unit; the picture is the plane in which the states vary most (the first two principal components). The top line
says how much of their variance lies along each: what is missing there, the picture does not show. A cell of the
screen has the sign that most of its states have.

**Feature** (`f`): what signs and colours stand for: the kind of the character just read, the depth of brackets, or a
regular expression that was typed in the view *contexts*. Places of their own for each depth mean that the network
counts.

The **path** is that of your prompt, or of some held-out text. ← → walk along it: the state at that place and those
before it are marked by the underlined character that was just read, and lines join them.

**Fixed points** (↑ ↓ choose the character): states that stay as they are while that character is read again and again.
A **stable** one (●) attracts the states near it: every eigenvalue of the Jacobian lies inside the unit circle. A
**saddle** (◐) repels them along some directions, a **repeller** (○) along all. |λ| is the largest absolute eigenvalue:
near the circle the state moves slowly, so it remembers. They are looked for beside the training, from some of the
states, and belong to the weights of the step above. None found is an answer, too: the state may go round in a cycle
instead.

What it does not show: states that lie together in this plane may lie apart in other directions. And a text has the same
character again and again only rarely: a fixed point says where the network is pulled, not where it is.
"""

    _answer: Portrait | None
    _layers = 1

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._forget()

    def _forget(self) -> None:
        self._feature = ""  # asked for; empty is the usual one
        self._pattern = ""  # the regular expression typed last, as a feature
        self._constant = ""  # asked for; empty is the most frequent one
        self._place = -1  # on the path; -1 is its end

    # --- from the run ----------------------------------------------------------------------

    def begin(self, info: RunInfo) -> None:
        super().begin(info)
        self._forget()
        self._layers = int(info.config.get("layers", 1))
        self._changed()

    def show(self, snapshot: Snapshot) -> None:
        found, before = snapshot.portrait, self._answer
        if found is not None and before is not None and found.prompt != before.prompt:
            self._place = -1
        super().show(snapshot)

    def take_over(self, changes: dict[str, Any]) -> None:
        if str(changes.get("cells_feature", "")).startswith(PATTERN):
            self._pattern = str(changes["cells_feature"])

    # --- drawing ---------------------------------------------------------------------------

    def _changed(self) -> None:
        portrait = self._answer
        subtitle = ""
        if portrait is not None:
            feature = towards(portrait.feature, self._feature or portrait.feature)
            constant = towards(f"‹{named(portrait.constant)}›", f"‹{named(self._constant or portrait.constant)}›")
            layer = f"{portrait.layer + 1}/{self._layers}"
            subtitle = f"h of layer {layer} · by {visible_text(feature)} · reads {constant}"
        self.entitle("Cells", subtitle)
        self.repaint()

    def paint(self, width: int, height: int, palette: Palette) -> list[Strip]:
        if self._answer is None:
            words = "Reading held-out text for the first portrait …"
            return paragraph(words, width, height, DIM)
        content = PortraitContent(self._answer, older=self._older, place=self._place)
        return portrait_picture(content, width, height, palette)

    # --- keys ------------------------------------------------------------------------------

    def action_constant(self, places: int) -> None:
        """Ask for the fixed points of a character that is `places` further in the order of their frequency."""
        portrait = self._answer
        if portrait is not None and portrait.constants:
            here = self._constant or portrait.constant
            index = portrait.constants.index(here) if here in portrait.constants else 0
            self._constant = portrait.constants[(index + places) % len(portrait.constants)]
            self.post_message(ViewChanged(portrait_constant=self._constant))
            self._changed()

    def action_feature(self) -> None:
        portrait = self._answer
        if portrait is not None:
            features = [*portrait.features, *([self._pattern] if self._pattern else [])]
            here = self._feature or portrait.feature
            index = features.index(here) if here in features else -1
            self._feature = features[(index + 1) % len(features)]
            self.post_message(ViewChanged(portrait_feature=self._feature))
            self._changed()

    def wheel(self, by: int, column: int) -> None:
        self.action_constant(by)

    def clicked(self, column: int, row: int) -> None:
        """Walk to the state on the path that was clicked."""
        place = self.mark_at(column, row).get("place")
        if isinstance(place, int):
            self._place = place
            self._changed()

    def action_walk(self, places: int) -> None:
        """Go `places` further on the prompt's path."""
        portrait = self._answer
        if portrait is not None and portrait.prompt:
            last = len(portrait.prompt) - 1
            here = last if self._place < 0 else self._place
            self._place = min(max(here + places, 0), last)
            self._changed()
