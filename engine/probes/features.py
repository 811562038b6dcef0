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
    found: Array = _standardised(features) @ _standardised(values).T
    return found


def _standardised(rows: Array) -> Array:
    """`rows` (…, N) shifted and scaled to mean 0 and norm 1, in float64; constant rows become zero."""
    centred = rows.astype(np.float64, order="C")  # a row's numbers side by side: they are read several times
    largest = np.maximum(centred.max(axis=-1, initial=0), -centred.min(axis=-1, initial=0))
    centred -= centred.mean(axis=-1, keepdims=True)
    norms = np.sqrt(np.einsum("...n,...n->...", centred, centred))
    # Because of rounding, a constant row need not be exactly zero after its mean is subtracted.
    constant = norms <= 1e-6 * largest * np.sqrt(rows.shape[-1])
    centred *= np.where(constant, 0, 1 / np.where(constant, 1, norms))[..., None]
    return centred


def shuffled(features: Array, passages: int) -> Array:
    """What `chance` compares units with, (99, F, N) in float32: each of `features` (F, N), shuffled 99 times.

    They belong to that many `passages` of a text, N is time-major. Each passage gets the feature of another one, turned
    round by a random number of characters, so that shuffled features vary along a text as the true ones do.
    """
    standard = _standardised(features).astype(np.float32)
    rng = np.random.default_rng(0)  # always the same, so that levels of different steps compare
    seq = features.shape[1] // passages
    found = np.empty((SHUFFLES, *standard.shape), np.float32)
    for turned in found:
        times = (np.arange(seq)[:, None] + rng.integers(seq, size=passages)) % seq
        places = times * passages + rng.permutation(passages)
        np.take(standard, places.ravel(), axis=1, out=turned)
    return found


def chance(values: Array, shuffled: Array) -> Array:
    """For each feature the |r| that chance lets the best of all units exceed in 5% of cases, (F,).

    What a feature has to do with units `values` (H, N) that never saw it, its `shuffled` forms (99, F, N) tell: the
    95th of their largest |r| is taken (a permutation test at level 5%).
    """
    units = _standardised(values).astype(np.float32)
    found = np.abs(shuffled.reshape(-1, units.shape[1]) @ units.T)  # one product is four times as fast as 99
    level: Array = np.sort(found.max(axis=1).reshape(shuffled.shape[:2]), axis=0)[ALLOWED - 1].astype(np.float64)
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
