"""Draws what a prediction depends on: a text with a colour for every character, and the same in digits beneath."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from rich.style import Style
from textual.strip import Strip

from engine.arrays import Array
from engine.session.messages import Candidate, Connectivity
from tui.rendering.colour import Palette
from tui.rendering.strips import BOLD, DIM, PLAIN, Span, line
from tui.rendering.text import visible, width

NOTHING, LITTLE, UNKNOWN, ASKED = " ", "·", "×", "▲"  # signs in the rows beneath the text, which are digits otherwise
ROW_NAMES = "∂≠"  # of the two rows beneath: gradient, and effect of replacing the character
CARET = Style(reverse=True)
LEFT_OUT = Style(dim=True, strike=True)


@dataclass(frozen=True, slots=True)
class Glyph:
    """A character as it is drawn, and one cell for each of the rows beneath it."""

    char: str
    style: Style = PLAIN
    beneath: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Attribution:
    """What the prediction after one position of a prompt depends on."""

    position: int
    shares: Array  # (position + 1,): connectivity as a share of `largest`
    largest: float
    reach: float  # connectivity-weighted mean distance, characters
    target: str
    kind: str  # how `target` was chosen: "actual", "probable" or "picked"
    candidates: tuple[Candidate, ...]
    occlusion: Array | None  # (position + 1,): effect of replacing the character, as a share of the largest

    @property
    def probability(self) -> float | None:
        """The probability of `target`; None if it is not among the candidates."""
        return next((each.probability for each in self.candidates if each.char == self.target), None)


def attribution(message: Connectivity, position: int) -> Attribution | None:
    """What the prediction after character `position` depends on, -1 for the last; None for an empty prompt."""
    count = len(message.prompt)
    if count == 0:
        return None
    position = count - 1 if position < 0 else min(position, count - 1)
    shares, largest = _shares(message.matrix[position, : position + 1])
    total = shares.sum()
    distance = position - np.arange(position + 1)
    occlusion = None
    if message.occlusion is not None and message.focus in (position, position - count):
        occlusion = _shares(message.occlusion[: position + 1])[0]
    return Attribution(
        position=position,
        shares=shares,
        largest=largest,
        reach=float((shares * distance).sum() / total) if total else 0.0,
        target=message.targets[position],
        kind=message.target_kind[position],
        candidates=message.candidates[position],
        occlusion=occlusion,
    )


def _shares(values: Array) -> tuple[Array, float]:
    """Values as shares of the largest, and the largest. NaN counts as 0, infinity as the largest float."""
    values = np.nan_to_num(np.asarray(values, dtype=float))
    largest = float(values.max(initial=0.0))
    return (values / largest if largest > 0 else np.zeros_like(values)), largest


def tenth(share: float) -> str:
    """A share as one character: its tenths, 1 to 9, a dot for less than one, a blank for exactly 0."""
    if share < 0.1:
        return LITTLE if share > 0 else NOTHING
    return str(min(int(share * 10), 9))


def glyphs(
    text: str,
    is_known: Callable[[str], bool],
    shares: Array,
    target: str | None,
    palette: Palette,
    *,
    occlusion: Array | None = None,
    rest: Style = DIM,
    caret: int | None = None,
) -> list[Glyph]:
    """`text` in the colours of `shares`, then `target` in place of the next character, then the rest of `text`.

    Characters that the network does not know (not `is_known`) have no share: they are struck out, with × beneath.
    `occlusion` adds a second row beneath; `caret` puts a caret before that character of `text`.
    """
    drawn: list[Glyph] = []
    place = 0  # counts the known characters
    for index, char in enumerate(text):
        if not is_known(char):
            glyph = Glyph(char, LEFT_OUT, ((UNKNOWN, DIM),))
        else:
            if place < len(shares):
                beneath = [(tenth(float(shares[place])), DIM)]
                if occlusion is not None and place < len(occlusion):
                    beneath.append((tenth(float(occlusion[place])), DIM))
                glyph = Glyph(char, palette.connectivity.style(float(shares[place])), tuple(beneath))
            elif place == len(shares) and target is not None:
                glyph, target = _asked(target, palette), None
            else:
                glyph = Glyph(char, rest)
            place += 1
        if caret == index:
            glyph = Glyph(glyph.char, glyph.style + CARET, glyph.beneath)
        drawn.append(glyph)
    if caret == len(text):
        drawn.append(Glyph(" ", CARET))
    if target is not None:
        drawn.append(_asked(target, palette))
    return drawn


def _asked(target: str, palette: Palette) -> Glyph:
    return Glyph(target, palette.predicted, ((ASKED, BOLD),))


def fold(drawn: Sequence[Glyph], columns: int) -> list[list[Glyph]]:
    """The glyphs in rows of at most `columns` cells, at least one glyph in each; without glyphs, one empty row."""
    rows: list[list[Glyph]] = [[]]
    used = 0
    for glyph in drawn:
        cells = width(glyph.char)
        if used + cells > columns and rows[-1]:
            rows.append([])
            used = 0
        rows[-1].append(glyph)
        used += cells
    return rows


def row_strips(row: Sequence[Glyph], indent: Span, beneath: int, columns: int) -> list[Strip]:
    """The strip of one row of glyphs, after `indent`, and the first `beneath` rows beneath it as further strips."""
    strips = [line([indent, *((visible(glyph.char), glyph.style) for glyph in row)], columns)]
    for level in range(beneath):
        spans: list[Span] = [((ROW_NAMES[level] if beneath > 1 else "").ljust(len(indent[0])), DIM)]
        for glyph in row:
            text, style = glyph.beneath[level] if level < len(glyph.beneath) else (" ", PLAIN)
            spans.append((text.ljust(width(glyph.char)), style))
        strips.append(line(spans, columns))
    return strips
