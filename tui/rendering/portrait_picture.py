"""The picture of the portrait: states as signs in a plane, the prompt's path, and the fixed points."""

from __future__ import annotations

import itertools
from dataclasses import KW_ONLY, dataclass

import numpy as np
from rich.style import Style
from textual.strip import Strip

from engine.session.messages import Portrait, Stability
from tui.rendering.canvas import Canvas
from tui.rendering.colour import Palette
from tui.rendering.numbers import at_step, percent
from tui.rendering.sentences import Saying, fitted
from tui.rendering.strips import BOLD, DIM, PLAIN, Span, as_lines, fit, line, marked
from tui.rendering.text import SPACE, named, visible, visible_text, width

KINDS: dict[Stability, str] = {"stable": "●", "saddle": "◐", "repeller": "○"}  # of fixed points
SIGNS = {  # of the kinds of characters, a typical one each
    "blank": "_",
    "vowel": "a",
    "other small letter": "t",
    "capital letter": "A",
    "digit": "9",
    "sign": ".",
    "no": "-",
    "yes": "+",
}
TRAIL = 8  # states of the path that are drawn before the place; all of them would hide the others
PER_STEP = 200  # points drawn between two states of the path
MARGIN = 0.04  # of the picture, around the states


@dataclass(frozen=True, slots=True)
class PortraitContent:
    """All that the picture depends on, apart from its size and its colours."""

    portrait: Portrait
    _: KW_ONLY
    older: bool = False  # it lies far behind the run
    place: int = -1  # the state of the path that is named; -1 is the last one


def class_sign(name: str, index: int) -> str:
    """The character that stands for the states of a class: its own name if that is one, else a digit."""
    return SIGNS.get(name) or (name if len(name) == 1 else str(index))


def portrait_picture(content: PortraitContent, width: int, height: int, palette: Palette) -> list[Strip]:
    """At most `height` lines."""
    portrait = content.portrait
    head = [line(fit(_head(content), width), width), line(fit(_legend(portrait, palette), width, "  "), width)]
    fixed = fixed_in_words(portrait)
    foot = as_lines(fitted([Saying(fixed, _in_short(fixed))], width, 2), width)
    room = height - len(head) - len(foot)
    if room < 3 or width < 8:
        return (head + foot)[:height]
    return head + _canvas(content, width, room, palette).strips() + foot


def _head(content: PortraitContent) -> list[Span]:
    portrait = content.portrait
    first, second = portrait.shares
    parts: list[Span] = [(f"→ {percent(first)}, ↑ {percent(second)} of the variance", BOLD)]
    if portrait.prompt:
        place = content.place if content.place >= 0 else len(portrait.prompt) - 1
        parts.append((f"after ‹{named(portrait.prompt[place])}› at {place}", PLAIN))
    return [*parts, (at_step(portrait.step, content.older), DIM)]


def _legend(portrait: Portrait, palette: Palette) -> list[Span]:
    present = np.bincount(portrait.labels, minlength=len(portrait.classes))
    spans: list[Span] = [(visible_text(portrait.feature), DIM)]
    for index, name in enumerate(portrait.classes):
        if present[index]:
            sign = class_sign(name, index)
            spans.append((sign if sign == name else f"{sign} {name}", palette.of_kind(index)))
    return spans


def fixed_in_words(portrait: Portrait) -> str:
    """What is known of the fixed points, in a sentence or two."""
    if portrait.remark:
        return visible_text(f"{portrait.remark[0].upper()}{portrait.remark[1:]}.")
    under = f"‹{named(portrait.constant)}› again and again"
    kinds = [point.kind for point in portrait.fixed]
    counts = ", ".join(
        f"{sign} {kinds.count(kind)} {kind}{'s' * (kind != 'stable' and kinds.count(kind) > 1)}"
        for kind, sign in KINDS.items()
        if kind in kinds
    )
    largest = ", ".join(f"{value:.5g}" for value in sorted(point.largest for point in portrait.fixed)[:4])
    sizes = f", largest |λ| {largest}{' …' if len(portrait.fixed) > 4 else ''}" if portrait.fixed else ""
    if portrait.tried < portrait.starts:
        sofar = f"; so far {counts}" if portrait.fixed else ""
        return f"Looking for fixed points while it reads {under}: {portrait.tried} of {portrait.starts} starts{sofar}."
    if not portrait.fixed:
        return f"No fixed point while it reads {under}: none of {portrait.starts} starts led to one."
    return f"Fixed points while it reads {under}: {counts}{sizes}; {portrait.arrived} of {portrait.starts} starts."


def _in_short(fixed: str) -> str:
    """The sentence of `fixed_in_words` up to where its numbers begin."""
    counts = fixed.partition(", largest")[0].partition("; ")[0].rstrip(".")
    return f"{counts.replace(' again and again', '')}."


def _canvas(content: PortraitContent, columns: int, rows: int, palette: Palette) -> Canvas:
    portrait = content.portrait
    seen = np.concatenate([portrait.points, portrait.path]).astype(np.float64)
    seen = seen[np.isfinite(seen).all(axis=1)] if np.isfinite(seen).any() else np.zeros((1, 2))
    low, high = seen.min(axis=0), seen.max(axis=0)
    margin = np.maximum(MARGIN * (high - low), 1e-9)
    (left, bottom), (right, top) = low - margin, high + margin
    canvas = Canvas(float(left), float(right), float(bottom), float(top), columns, rows)
    place = content.place if content.place >= 0 else len(portrait.path) - 1
    first = max(place - TRAIL, 0)
    trail = _joined(portrait.path[first : place + 1].astype(np.float64))
    canvas.dots(trail[:, 0], trail[:, 1], DIM)
    _draw_classes(canvas, portrait, palette)
    for index in range(first, place + 1):
        style = marked(Style(bold=True, underline=True, reverse=index == place), "place", index)
        for column, row in zip(*canvas.cells(*portrait.path[[index]].T), strict=True):
            char = SPACE if portrait.prompt[index] == " " else visible(portrait.prompt[index])
            canvas.put(int(column), int(row), char if width(char) == len(char) == 1 else "◌", style)
    for point in portrait.fixed:
        x, y = np.clip([point.x], left, right), np.clip([point.y], bottom, top)
        canvas.signs(x, y, KINDS[point.kind], palette.fixed_point)
    return canvas


def _draw_classes(canvas: Canvas, portrait: Portrait, palette: Palette) -> None:
    """Each cell gets the sign of the class that most of its states have."""
    counts = np.zeros((len(portrait.classes), canvas.height, canvas.width), np.intp)
    for index in range(len(portrait.classes)):
        columns, rows = canvas.cells(*portrait.points[portrait.labels == index].T)
        np.add.at(counts[index], (rows, columns), 1)
    most = counts.argmax(axis=0)
    for row, column in zip(*np.nonzero(counts.any(axis=0)), strict=True):
        index = int(most[row, column])
        sign = class_sign(portrait.classes[index], index)
        canvas.put(int(column), int(row), sign, palette.of_kind(index))


def _joined(path: np.ndarray) -> np.ndarray:
    """Points on the straight lines from each state of `path` (S, 2) to the next, close enough to look like lines."""
    if len(path) < 2:
        return path
    share = np.linspace(0, 1, PER_STEP, endpoint=False)[:, None]
    return np.concatenate([one + share * (other - one) for one, other in itertools.pairwise(path)])
