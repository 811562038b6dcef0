"""The contexts: which units follow a feature of the text, and where one of them is highest and lowest."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.binding import BindingType
from textual.geometry import Offset
from textual.strip import Strip

from engine.session.messages import Contexts, RunInfo
from engine.session.text_features import PATTERN
from tui.panes import keys
from tui.panes.answer import UnitsPane, towards
from tui.panes.pane import ViewChanged
from tui.panes.typed import TypedPane
from tui.rendering.colour import Palette
from tui.rendering.contexts_picture import ContextsContent, contexts_picture
from tui.rendering.strips import DIM, paragraph


class ContextsPane(UnitsPane, TypedPane):
    """A list of units by their correlation with a feature, and the places at which the chosen one is extreme."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.CONTEXTS]
    INSTRUMENT = "contexts"
    ANSWERS = ("contexts",)
    VIEWS = ("contexts",)
    HELP: ClassVar[str] = """\
## Cells: contexts

At the left the **units**, those first that follow a feature of the text best: r is Pearson's correlation over held-out
text, from −1 to 1. **Feature** (`f`): one of the named ones, or your own: `/` opens a field for a **regular
expression** (Python's; `^` and `$` stand for a line's ends). It is 1 inside its matches and 0 elsewhere. What is wrong
with it is said in the top line; a pattern that takes too long is given up, and the training never waits for one.

At the right the ten places of the held-out text at which the chosen unit (▸, ↑ ↓) is **highest**, and the ten at which
it is **lowest**. The character in the middle is the last one the network has read there. The others have the colour
of the unit after each of them: orange is below zero, blue above; without colours, dim is low and bold is high. Of
places that lie closer together than 10 characters only the most extreme one is shown.

**Kinds** (`k`), layer (`L`) and the chosen unit are those of the view *map*.

What it does not show: a match is known only at its end, but the feature is 1 from its beginning, where the network
cannot know yet what follows. Of many units, some follow any feature a little: the top line says how many go beyond
what chance explains. And that a unit follows a feature does not mean that the network uses it: hold the unit (view
*map*, `H`), and see.
"""

    _answer: Contexts | None
    _feature = ""  # asked for; empty is the usual one
    _pattern = ""  # the regular expression typed last, as a feature

    def begin(self, info: RunInfo) -> None:
        super().begin(info)
        self._feature = self._pattern = ""
        self.begin_with()
        self._changed()

    def take_over(self, changes: dict[str, Any]) -> None:
        super().take_over(changes)
        self._feature = changes.get("cells_feature", self._feature)

    # --- drawing ---------------------------------------------------------------------------

    def _changed(self) -> None:
        unit = ""
        if self._answer is not None and self._unit not in (-1, self._answer.unit):
            unit = f" · unit {towards(self._answer.unit, self._unit)}"
        self.entitle("Cells", f"{self._kind_words()}{unit}")
        self.repaint()

    def paint(self, width: int, height: int, palette: Palette) -> list[Strip]:
        if self._answer is None:
            words = "Waiting for the first activations …"
            return paragraph(words, width, height, DIM)
        content = ContextsContent(
            self._answer,
            self._cell,
            older=self._older,
            field=self.prompt.text if self.typing else None,
            caret=self.prompt.caret,
        )
        if self.typing and self.has_focus:
            # An input method opens its window at the terminal's own cursor.
            self.app.cursor_position = self.content_region.offset + Offset(min(1 + self.prompt.caret, width - 1), 1)
        return contexts_picture(content, width, height, palette)

    # --- typing ----------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("search", "stop_typing"):
            return self.typing
        if self.typing and action in ("type", "move", "feature", "kind", "layer"):
            return False
        return super().check_action(action, parameters)

    def edited(self) -> None:
        self._changed()

    def caret_moved(self) -> None:
        self._changed()

    def action_search(self) -> None:
        """Ask which units follow the matches of the regular expression in the field; it stays open if it has none."""
        if self.prompt.text:
            self._pattern = PATTERN + self.prompt.text
            self._ask_feature(self._pattern)
        self.action_stop_typing()

    def action_feature(self) -> None:
        contexts = self._answer
        if contexts is not None:
            features = [*contexts.features, *([self._pattern] if self._pattern else [])]
            here = self._feature or contexts.feature
            place = features.index(here) if here in features else -1
            if features:
                self._ask_feature(features[(place + 1) % len(features)])

    def _ask_feature(self, feature: str) -> None:
        self._feature, self._unit = feature, -1
        self.post_message(ViewChanged(cells_feature=feature, cells_unit=-1))
        self._changed()

    # --- other keys ------------------------------------------------------------------------

    def action_move(self, places: int) -> None:
        contexts = self._answer
        if contexts is not None:
            order = contexts.order.tolist()
            here = contexts.unit if self._unit < 0 else self._unit
            place = (order.index(here) if here in order else 0) + places
            self._choose(order[min(max(place, 0), len(order) - 1)])

    def clicked(self, column: int, row: int) -> None:
        """Choose the unit that was clicked; in the field, set the caret."""
        mark = self.mark_at(column, row)
        if isinstance(unit := mark.get("unit"), int):
            self._choose(unit)
        elif self.typing and isinstance(caret := mark.get("caret"), int):
            self.prompt.caret = caret
            self._changed()
