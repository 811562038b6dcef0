"""Named features of a text at every character, and how closely hidden units follow them.

A feature at character i depends only on the text up to and including i, so the hidden state after that step can hold
it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from engine.arrays import Array, Integers
from engine.probes.results import Feature
from engine.text import brackets
from engine.text.vocabulary import code_points

OPENING, CLOSING = "([{", ")]}"
SHUFFLES, ALLOWED = 99, 95  # with 99, the 95th largest |r| is exceeded by chance in 5 of 100 cases
TOGETHER = 33  # shuffles in one product
QUOTE, OPENING_QUOTES, CLOSING_QUOTES = '"', "“«", "”»"


def bracket_depth(text: str) -> Integers:
    """How many brackets ( [ { are open after each character, (N,).

    A closing bracket is ignored if none is open. In a text of the brackets language digits give the depth, see
    `engine.text.brackets.depth`.
    """
    if text and set(text) <= set(brackets.CHARACTERS):
        return brackets.depth(text)
    points = code_points(text)
    return _nesting(_among(points, OPENING), _among(points, CLOSING))


def inside_quotes(text: str) -> Integers:
    """1 if a double quotation mark, straight or curly, is open, else 0, (N,). A blank line closes all that are open."""
    points = code_points(text)
    breaks = points == ord("\n")
    paragraph = np.cumsum(breaks[1:] & breaks[:-1]) if len(points) else np.zeros(0, int)
    paragraph = np.concatenate(([0], paragraph))[: len(points)]
    inside = np.zeros(len(points), np.intp)
    bounds = np.flatnonzero(np.diff(paragraph, prepend=-1, append=-1))
    straight = np.cumsum(points == ord(QUOTE))
    opening, closing = _among(points, OPENING_QUOTES), _among(points, CLOSING_QUOTES)
    for start, stop in pairwise(bounds):
        before = straight[start - 1] if start else 0
        curly = _nesting(opening[start:stop], closing[start:stop])
        inside[start:stop] = ((straight[start:stop] - before) % 2 == 1) | (curly > 0)
    return inside


def position_in_line(text: str) -> Integers:
    """How many characters the line has so far, (N,). 0 at a line end, and everywhere if the text has no line ends."""
    if "\n" not in text:
        return np.zeros(len(text), np.intp)
    places = np.arange(1, len(text) + 1)
    ends = np.where(code_points(text) == ord("\n"), places, 0)
    return places - np.maximum.accumulate(ends)


def after_space(text: str) -> Integers:
    """1 after white space, that is if the character itself is white space, else 0, (N,)."""
    return np.array([char.isspace() for char in text], np.intp)


def upper_case(text: str) -> Integers:
    """1 if the character is a capital letter, else 0, (N,)."""
    return np.array([char.isupper() for char in text], np.intp)


FEATURES: dict[str, Callable[[str], Integers]] = {
    "bracket depth": bracket_depth,
    "inside quotes": inside_quotes,
    "position in the line": position_in_line,
    "after a space": after_space,
    "upper case": upper_case,
}


def _among(points: NDArray[np.unsignedinteger], characters: str) -> NDArray[np.bool_]:
    return np.isin(points, [ord(char) for char in characters])


def _nesting(opening: NDArray[np.bool_], closing: NDArray[np.bool_]) -> Integers:
    """How many brackets are open after each character; a closing one is ignored if none is open."""
    balance = np.cumsum(opening.astype(np.intp) - closing)
    return balance - np.minimum.accumulate(np.minimum(balance, 0))


def correlations(values: Array, features: Array) -> Array:
    """Pearson's r, (F, H), of all `features` (F, N) with all units' `values` (H, N); 0 if either is constant."""
    return _standardised(features) @ _standardised(values).T


def _standardised(rows: Array) -> Array:
    """`rows` shifted and scaled to mean 0 and norm 1; constant rows become zero."""
    centred = rows - rows.mean(axis=1, keepdims=True, dtype=np.float64)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    # Because of rounding, a constant row need not be exactly zero after its mean is subtracted.
    constant = norms <= 1e-6 * np.abs(rows).max(axis=1, keepdims=True, initial=0) * np.sqrt(rows.shape[1])
    return np.where(constant, 0, centred) / np.where(constant, 1, norms)


def chance(values: Array, features: Array, passages: int) -> Array:
    """For each feature the |r| that chance lets the best of all units exceed in 5% of cases, (F,).

    `values` (H, N) and `features` (F, N) belong to that many `passages`, N is time-major. What a feature of a text has
    to do with units that never saw it is found by giving each passage the feature of another one, turned round by a
    random number of characters: 99 times, and the 95th of the largest |r| is taken (a permutation test at level 5%).
    """
    standard, units = _standardised(features).astype(np.float32), _standardised(values).astype(np.float32)
    rng = np.random.default_rng(0)  # the same at every step, so that levels of different steps compare
    seq = features.shape[1] // passages
    largest = np.empty((SHUFFLES, len(features)))
    for first in range(0, SHUFFLES, TOGETHER):  # one product for many: one for each would take four times as long
        shuffled = np.empty((min(TOGETHER, SHUFFLES - first), *standard.shape), np.float32)
        for turned in shuffled:
            times = (np.arange(seq)[:, None] + rng.integers(seq, size=passages)) % seq
            places = times * passages + rng.permutation(passages)
            np.take(standard, places.ravel(), axis=1, out=turned)
        found = np.abs(shuffled.reshape(-1, standard.shape[1]) @ units.T)
        largest[first : first + TOGETHER] = found.reshape(len(shuffled), len(features), -1).max(axis=2)
    level: Array = np.sort(largest, axis=0)[ALLOWED - 1]
    return level


def best_units(correlation: Array, level: Array) -> tuple[Feature, ...]:
    """For each feature that varies, the unit that follows it most closely, with either sign; `correlation` (F, H).

    No unit is named where chance explains that, by the `level` (F,) of `chance`.
    """
    units = np.abs(correlation).argmax(axis=1)
    return tuple(
        Feature(name, int(unit) if abs(row[unit]) > limit else None, float(row[unit]), float(limit))
        for name, unit, row, limit in zip(FEATURES, units, correlation, level, strict=True)
        if row[unit] and math.isfinite(limit)
    )
