"""The connectivity pane: which characters of a prompt each prediction depends on."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar, get_args

from textual.binding import BindingType
from textual.geometry import Offset
from textual.strip import Strip

from engine.session.messages import ConnectivityMode, RunInfo, Snapshot
from tui.panes import keys
from tui.panes.pane import ViewChanged
from tui.panes.typed import TypedPane
from tui.rendering.attribution import attribution
from tui.rendering.colour import Palette
from tui.rendering.connectivity_picture import ConnectivityContent, connectivity_picture

MODES: tuple[ConnectivityMode, ...] = get_args(ConnectivityMode)


class ConnectivityPane(TypedPane):
    """A prompt that the user types and walks through; its colours show what each prediction depends on."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.CONNECTIVITY]
    INSTRUMENT = "connectivity"
    ANSWERS = ("connectivity",)
    HELP: ClassVar[str] = """\
## Connectivity

Type a prompt. The colour of each character shows how much the network's score for one next character would change
if that character changed a little. From weak to strong: none, light blue, dark blue, red. The digit beneath says the
same in tenths of the strongest (`·` is less than a tenth, a blank is exactly zero). The **green** character, marked ▲,
is the next character that the question is about.

The top line says **which next character** it is. It is the *actual* one where the prompt goes on, the most *probable*
one at the end, or one *picked* from the candidates with ↑ ↓: what would have made the network say that?

**Walk** with ← →, while typing too: each place shows what its prediction depended on, always earlier characters.

**max** is the strongest value. Colours are relative to it, so compare the max of two pictures as well as their colours.
**reach** is the mean distance of the characters from the prediction, weighted by their connectivity.
Its curve over the training is the mean over at most 32 places of the held-out text, with at most 100 characters before
each: what lies further back is not seen, so that a network that looks far back has a longer reach than the one shown.
± is the standard error: how far such a mean over other places of the text would usually be from this one.

**Kinds** (`k`): *logit* is the length of the score's gradient, *squared* its square (a few characters stand out
more), *loss* the length of the loss's gradient.

**Check** (`o`) replaces each character by others and measures how the score changes, or for *loss* the loss. A
second row of digits shows the change, and the rank correlation says how well the two rows agree. If it is low, do not
trust the colours: a gradient describes very small changes only. Characters whose effect is too small to be measured
count as equal, and it is said how many there are.

**Moments**: `(` and `)` go to earlier and later moments of the run, whose weights then give the answer. `m` shows the
answer of now (●) above that of the moment (○).

The network cannot read characters that are not in its text: they are struck out.

What it does not show: *why* a character counts, nor that the network understands anything.
"""

    def __init__(self, **options: str | None) -> None:
        super().__init__(**options)
        self._forget()

    def _forget(self) -> None:
        self._vocabulary: frozenset[str] = frozenset()
        self._content = ConnectivityContent(self.is_known)

    # --- from the run ----------------------------------------------------------------------

    def begin(self, info: RunInfo) -> None:
        self._forget()
        self.begin_with(info.prompt)
        self._vocabulary = frozenset(info.vocabulary)
        self._changed()

    def look_at(self, moment: int | None) -> None:
        super().look_at(moment)
        self.refresh_bindings()

    def show(self, snapshot: Snapshot) -> None:
        before, message, kept = self._content, snapshot.connectivity, None
        if message is None:
            message, kept = before.message, before.kept
        elif snapshot.now is not None and snapshot.now.connectivity is not None:
            message, kept = snapshot.now.connectivity, message
        older = message is not None and self.is_older(message.step, snapshot.step)
        reach = tuple(float(value) for value in snapshot.history.reach)
        reach_se = float(snapshot.history.reach_se[-1]) if reach else math.nan
        content = replace(before, message=message, kept=kept, older=older, reach=reach, reach_se=reach_se)
        if snapshot.connectivity is not None:
            content = replace(content, moment=self.moment)
        words = (older, reach, content.moment)
        same = message is before.message and kept is before.kept
        if same and words == (before.older, before.reach, before.moment):
            return
        self._content = content
        if message is not None:
            self.suggest(message.prompt)
        self._changed()

    # --- drawing ---------------------------------------------------------------------------

    def is_known(self, char: str) -> bool:
        return char in self._vocabulary

    def _changed(self) -> None:
        self.entitle("Connectivity", f"{self._content.mode}{' · occlusion' if self._content.occlusion else ''}")
        self.repaint()

    def paint(self, width: int, height: int, palette: Palette) -> list[Strip]:
        content = replace(self._content, text=self.prompt.text, caret=self.prompt.caret if self.typing else None)
        strips, caret = connectivity_picture(content, width, height, palette)
        if caret is not None and self.has_focus:
            # An input method opens its window at the terminal's own cursor.
            self.app.cursor_position = self.content_region.offset + Offset(*caret)
        return strips

    # --- typing ----------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "go" and parameters == (-1,) and self.moment is not None:
            return False  # at a moment the key leads back to now
        if action in ("type", "stop_typing", "walk", "go", "ask", "mode", "occlusion"):
            return self.typing == (action == "stop_typing")
        return True

    def edited(self) -> None:
        self._ask(prompt=self.prompt.text, position=self._place(self._left_of_caret()), candidate="")

    def caret_moved(self) -> None:
        self._go(self._left_of_caret())

    def _left_of_caret(self) -> int:
        """The index of the known character before the caret; 0 at the start."""
        return max(sum(map(self.is_known, self.prompt.text[: self.prompt.caret])) - 1, 0)

    # --- walking ---------------------------------------------------------------------------

    def action_walk(self, places: int) -> None:
        here = self._last if self._content.position < 0 else min(self._content.position, self._last)
        self._go(max(here + places, 0))

    def action_go(self, position: int) -> None:
        self._go(position)

    @property
    def _last(self) -> int:
        """The index of the last known character; -1 if there is none."""
        return sum(map(self.is_known, self.prompt.text)) - 1

    def _place(self, position: int) -> int:
        """`position`, or -1 if it is the last one or beyond."""
        return -1 if position >= self._last else position

    def _go(self, position: int) -> None:
        position = self._place(position)
        if (position, "") != (self._content.position, self._content.candidate):
            self._ask(position=position, candidate="")
        else:
            self._changed()

    def action_ask(self, places: int) -> None:
        """Ask about another candidate; "" stands for the default, the actual or the most probable character."""
        message, position, candidate = self._content.message, self._content.position, self._content.candidate
        prediction = attribution(message, position) if message is not None else None
        if message is None or prediction is None:
            return
        candidates = [each.char for each in prediction.candidates]
        default = message.prompt[prediction.position + 1 :][:1] or next(iter(candidates), "")
        choices = ["" if char == default else char for char in candidates]
        if "" not in choices:
            choices.insert(0, "")
        here = choices.index(candidate if candidate in choices else "")
        self._ask(position=position, candidate=choices[(here + places) % len(choices)])

    # --- mouse -----------------------------------------------------------------------------

    def clicked(self, column: int, row: int) -> None:
        """Set the caret, walk to a character, or ask about a candidate, whichever was clicked."""
        mark = self.mark_at(column, row)
        in_row = self.mark_at(column, row, in_row=True)
        if self.typing and isinstance(caret := mark.get("character"), int):
            self.prompt.caret = min(caret, len(self.prompt.text))
            self.caret_moved()
        elif isinstance(index := mark.get("character"), int):
            self._go(max(sum(map(self.is_known, self.prompt.text[: index + 1])) - 1, 0))
        elif isinstance(position := in_row.get("position"), int):
            self._go(position)
        elif isinstance(candidate := in_row.get("candidate"), str) and not self.typing:
            self._ask(position=self._content.position, candidate=candidate)

    # --- asking differently ----------------------------------------------------------------

    def _ask(self, **changes: Any) -> None:
        """Ask the run for another view, and change at once those parts of the picture that need no answer."""
        self.post_message(ViewChanged(**changes))
        changes.pop("prompt", None)  # the prompt is read when the picture is painted
        self._content = replace(self._content, **changes)
        self._changed()

    def action_mode(self) -> None:
        self._ask(mode=MODES[(MODES.index(self._content.mode) + 1) % len(MODES)])

    def action_occlusion(self) -> None:
        self._ask(occlusion=not self._content.occlusion, position=self._content.position)
