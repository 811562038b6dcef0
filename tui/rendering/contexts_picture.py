"""The picture of the contexts: which units follow a feature, and where one of them is highest and lowest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

import numpy as np
from rich.style import Style
from textual.strip import Strip

from engine.arrays import Array
from engine.session.messages import Context, Contexts
from engine.session.text_features import PATTERN
from tui.rendering.attribution import CARET
from tui.rendering.colour import Palette, Ramp
from tui.rendering.numbers import at_step, percent, signed
from tui.rendering.strips import BOLD, DIM, PLAIN, Span, fit, line, marked
from tui.rendering.text import visible, visible_text
from tui.rendering.text import width as cell_width
from tui.rendering.unit_colours import limits, ramp_for, scaled

LIST_WIDTH = 14  # cells, of the list of units
VALUE_WIDTH = 6  # cells, of a value such as −0.93 and a blank
MARK = Style(bold=True, underline=True, reverse=True)


@dataclass(frozen=True, slots=True)
class ContextsContent:
    """All that the picture depends on, apart from its size and its colours."""

    contexts: Contexts
    cell: str  # the name of the recurrent cell
    _: KW_ONLY
    older: bool = False  # it lies far behind the run
    field: str | None = None  # the regular expression that is being typed; None: none is
    caret: int = 0  # in the field


@dataclass(frozen=True, slots=True)
class _Colours:
    ramp: Ramp
    low: float
    high: float
    few: bool  # there are none: low values are dim, high ones bold

    def styles(self, values: Array) -> list[Style]:
        """The style of the character at each of a unit's `values`."""
        levels = self.ramp.levels(scaled(values, self.low, self.high))
        if not self.few:
            return [self.ramp.styles[level] for level in levels]
        return [(DIM, PLAIN, BOLD)[3 * level // len(self.ramp.styles)] for level in levels]


def contexts_picture(content: ContextsContent, width: int, height: int, palette: Palette) -> list[Strip]:
    """At most `height` lines."""
    contexts = content.contexts
    head = [line(fit(_head(content), width), width)]
    head += _field(content, width)
    rows = height - len(head)
    units = _units(contexts, rows)
    main = width - LIST_WIDTH - 1
    if main < LIST_WIDTH:
        return (head + [line(spans, width) for spans in units])[:height]
    values = np.concatenate([each.values for each in (*contexts.highest, *contexts.lowest)] or [np.zeros(1)])
    low, high = limits(contexts.kind, content.cell, values)
    places = _places(contexts, _Colours(ramp_for(palette, low), low, high, palette.depth == "none"), main, rows)
    lines = [line(spans, LIST_WIDTH) for spans in units] + [Strip.blank(LIST_WIDTH)] * (rows - len(units))
    places += [Strip.blank(main)] * (rows - len(places))
    return head + [Strip.join([one, Strip.blank(1), other]) for one, other in zip(lines, places, strict=False)]


def _head(content: ContextsContent) -> list[Span]:
    contexts = content.contexts
    if contexts.error or contexts.waiting:
        return [(feature_in_words(contexts), PLAIN)]
    if _is_nowhere(contexts):
        words = f"{feature_in_words(contexts)} is nowhere in these {contexts.measured:,} held-out characters"
        return [(words, PLAIN), (at_step(contexts.step, content.older), DIM)]
    r = float(contexts.correlation[contexts.unit])
    share = percent(contexts.inside / max(contexts.measured, 1))
    return [
        (f"unit {contexts.unit}", BOLD),
        (f"r {signed(r)} with {feature_in_words(contexts)}", PLAIN),
        (_chance(contexts), PLAIN),
        (_beyond_chance(contexts), PLAIN),
        (f"not 0 at {share} of {contexts.measured:,} characters", PLAIN),
        (at_step(contexts.step, content.older), DIM),
    ]


def _is_nowhere(contexts: Contexts) -> bool:
    """Whether the feature is 0 at every character, so that no unit can follow it."""
    return contexts.measured > 0 and contexts.inside == 0


def _chance(contexts: Contexts) -> str:
    return f"chance {contexts.chance:.2f}" if math.isfinite(contexts.chance) else ""


def _beyond_chance(contexts: Contexts) -> str:
    """How many units follow the feature more closely than chance explains; empty where that is not known."""
    beyond = int(np.count_nonzero(np.abs(contexts.correlation) > contexts.chance))
    return f"{beyond} of {len(contexts.order)} units beyond chance" if math.isfinite(contexts.chance) else ""


def feature_in_words(contexts: Contexts) -> str:
    """The feature, and what is wrong with it or still to come."""
    if contexts.error:
        return visible_text(f"{contexts.feature}: {contexts.error}")
    return visible_text(f"searching {contexts.feature} …" if contexts.waiting else contexts.feature)


def _field(content: ContextsContent, width: int) -> list[Strip]:
    """The field in which a regular expression is typed, and below it what is wrong with the last one."""
    if content.field is None:
        return []
    room = max(width - len(PATTERN) - 1, 1)
    first = max(content.caret + 1 - room, 0)
    spans: list[Span] = [(PATTERN, BOLD)]
    for index, char in enumerate(content.field + " "):
        if index >= first:
            spans.append(
                (
                    visible(char) if index < len(content.field) else " ",
                    marked(CARET if index == content.caret else PLAIN, "caret", index),
                )
            )
    return [line(spans, width)]


def _units(contexts: Contexts, rows: int) -> list[list[Span]]:
    """The units with r, those that follow the feature best first; the chosen one is always in view."""
    order = contexts.order.tolist()
    place = order.index(contexts.unit)
    room = max(rows - 1, 1)
    top = min(place // room * room, max(len(order) - room, 0))
    digits = len(str(len(order) - 1))
    lines: list[list[Span]] = [[(f"{len(order)} units  r", DIM)]]
    for unit in order[top : top + room]:
        chosen = unit == contexts.unit
        r = "" if contexts.waiting or contexts.error or _is_nowhere(contexts) else signed(contexts.correlation[unit])
        text = f"{'▸' if chosen else ' '}{unit:>{digits}}  {r}"
        lines.append([(text, marked(BOLD if chosen else DIM, "unit", unit))])
    return lines[:rows]


def _places(contexts: Contexts, colours: _Colours, columns: int, rows: int) -> list[Strip]:
    """The highest places and the lowest ones, as many of each as there is room for."""
    each = max((rows - 2) // 2, 1)
    texts = [place.text[: place.mark] for place in (*contexts.highest, *contexts.lowest)]
    before = min((columns - VALUE_WIDTH - 1) // 2, max((sum(map(cell_width, text)) for text in texts), default=0))
    strips: list[Strip] = []
    for title, places in (("highest", contexts.highest), ("lowest", contexts.lowest)):
        strips.append(line([(f"{title} {contexts.kind}", DIM)], columns))
        strips += [_place(place, colours, before, columns) for place in places[:each]]
    return strips[:rows]


def _place(place: Context, colours: _Colours, before: int, columns: int) -> Strip:
    """A place and what stands around it, its character after `before` cells of text."""
    value = signed(float(place.values[place.mark])).ljust(VALUE_WIDTH)
    styles = colours.styles(place.values)
    first = place.mark - _that_fit(place.text[: place.mark][::-1], before)
    used = sum(map(cell_width, place.text[first : place.mark]))
    spans: list[Span] = [(value, DIM), (" " * (before - used), PLAIN)]
    room = columns - VALUE_WIDTH - (before - used)
    for index in range(first, first + _that_fit(place.text[first:], room)):
        style = MARK if index == place.mark else styles[index]
        spans.append((visible(place.text[index]), style))
    return line(spans, columns)


def _that_fit(text: Sequence[str], columns: int) -> int:
    """How many characters from the start of `text` fit into `columns` cells."""
    used = 0
    for count, char in enumerate(text):
        used += cell_width(char)
        if used > columns:
            return count
    return len(text)
