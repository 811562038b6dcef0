"""Lessons: steps over the live dashboard, each of which waits until the user has done what it asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from textual.binding import Binding
from textual.content import Content

from engine.session.messages import Inside, RunInfo, Snapshot, View
from tui.panes.keys import ON_A_RUN

# In a text: a fact by its name, or a key by the id of its binding, in braces; and *words that are stressed*.
HOLE = re.compile(r"\{([a-z][a-z_.-]*)\}|\*([^*]+)\*")

# What a lesson names keys from, by their names in the table.
BINDINGS: dict[str, Binding] = {}
for _place in ON_A_RUN.values():
    for _binding in Binding.make_bindings(_place):
        BINDINGS.setdefault(_binding.id or "", _binding)


@dataclass(frozen=True, slots=True)
class Look:
    """What a lesson sees at one time: where the user is, what was asked of the run, and what it answered."""

    place: str  # of the pane with the focus, a key of `PLACES`
    pane_view: str  # the view it shows, as "curves" or "contexts"
    in_bits: bool  # the loss curves are
    typing: bool  # a prompt
    moment: int | None  # that the dashboard shows; None is now
    view: View
    snapshot: Snapshot
    info: RunInfo
    inside: Inside | None = None  # the step that is taken apart on the screen
    unit: int = 0  # whose numbers are written out there
    way_back: bool = False  # the lines of the way back are seen there


Condition = Callable[[Look], bool]
Fact = Callable[[Look], str]  # raises `LookupError` where what it is about is not on the screen


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do and to see. Texts may have holes: `{loss.unit}` is a key, `{entropy}` a fact; *so* is stressed.

    `needs` lead to the place where `text` is true: of the first condition that does not hold, its text is shown.
    Once all hold, the step has begun. It is over as soon as `done` says so of what is seen then and what was seen when
    it began; it begins anew if it is `lost` before, by the same two.
    """

    title: str
    needs: tuple[tuple[Condition, str], ...]
    text: str
    done: Callable[[Look, Look], bool]
    lost: Callable[[Look, Look], bool] = lambda look, began: False


class Lesson:
    """Where the user is in `steps`; `at` is the first one that is shown, counted from 0. `end` is the last text."""

    def __init__(self, steps: tuple[Step, ...], end: str, facts: Mapping[str, Fact], at: int = 0) -> None:
        self._steps, self._end, self._facts = steps, end, facts
        self.at = at
        self._began: Look | None = None
        self._ended: Look | None = None
        self._known: dict[str, str] = {}  # the facts as they were filled in last

    @property
    def is_over(self) -> bool:
        """Whether all steps are done."""
        return self.at == len(self._steps)

    def follow(self, look: Look) -> tuple[str, str]:
        """Go on if what the step asks for is done; what is shown from now on: a head, and a text with holes."""
        if not self.is_over and self._began is not None and self._steps[self.at].done(look, self._began):
            self.at += 1
            self._began = None
        if self.is_over:
            self._ended = self._ended or look
            return f"✓ {len(self._steps)}/{len(self._steps)}", self._end
        step = self._steps[self.at]
        missing = next((text for holds, text in step.needs if not holds(look)), None)
        if self._began is not None and step.lost(look, self._began):
            self._began = None
        if missing is None:
            self._began = self._began or look
        return f"{self.at + 1}/{len(self._steps)} {step.title}", step.text if missing is None else missing

    def fill(self, text: str, look: Look, display: Callable[[Binding], str]) -> Content:
        """`text` with its holes filled: keys, which `display` writes, stand out. The last text keeps its facts.

        A fact that is not on the screen any more is written as it was last.
        """
        look = self._ended or look
        parts: list[str | tuple[str, str]] = []
        end = 0
        for hole in HOLE.finditer(text):
            name, stressed = hole.groups()
            parts.append(text[end : hole.start()])
            end = hole.end()
            if stressed:
                parts.append((stressed, "italic"))
            elif name in self._facts:
                with suppress(LookupError):
                    self._known[name] = self._facts[name](look)
                parts.append((self._known.get(name, "–"), "bold"))
            else:
                parts.append((f" {display(BINDINGS[name])} ", "bold reverse"))
        return Content.assemble(*parts, text[end:])


def holes(texts: Iterable[str]) -> set[str]:
    """The names of all holes in `texts`."""
    return {name for text in texts for name, _ in HOLE.findall(text) if name}
