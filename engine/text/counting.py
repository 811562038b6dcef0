"""N-gram models, which only count characters: what a network's loss is to be compared with, in nats per character.

An n-gram is n characters in a row: an n-gram model predicts a character from the n − 1 characters before it, and knows
nothing else. The models of n = 1, 2, … are the rungs of a ladder. A network below the rung of n = 4 does better than
any counting of what follows three characters that is known.

The model is interpolated modified Kneser–Ney (Chen and Goodman, An empirical study of smoothing techniques for language
modeling, Technical Report TR-10-98, Harvard University, 1998, section 3). For a context s of n − 1 characters, with s'
its last n − 2 characters:

    P_n(c|s) = (a(sc) − D(a(sc)) + Σ_x D(a(sx)) · P_{n−1}(c|s')) / Σ_x a(sx),    P_0(c) = 1/V

or P_{n−1}(c|s') if s was never followed by anything. For the largest n, a is the count of an n-gram in the training
text; for the smaller ones, it is the number of different characters that were seen before it. The discount D is 0, D₁,
D₂ or D₃ for an a of 0, 1, 2 or more: with t_i the number of n-grams that have a = i, and Y = t₁ / (t₁ + 2 t₂),

    D_i = i − (i + 1) Y t_{i+1} / t_i.

The training text is taken to begin after n − 1 signs that occur nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from engine.arrays import Array, Codes, Integers
from engine.text.stretches import StretchLosses, losses_by_stretch, with_context

LONGEST = 9  # characters of an n-gram: longer ones are too rare in texts of a usual size to be of use
COUNTED = 1 << 23  # characters of the training text that are counted at most, its last ones: memory is 30 times as many
FALLBACK = (0.5, 1.0, 1.5)  # discounts where a text has too few n-grams to estimate them, as KenLM has them


@dataclass(frozen=True, slots=True)
class Rung:
    """A rung of the ladder: n, and the n-gram model's loss, nats per character."""

    n: int
    loss: float


@dataclass(frozen=True, slots=True)
class Ladder:
    """The rungs, with rising n, and how many characters of the training text were counted."""

    rungs: tuple[Rung, ...]
    counted: int


def ngram_ladder(train: Codes, valid: Codes, vocabulary_size: int, parts: Sequence[slice]) -> Ladder:
    """The ladder of the n-gram models, counted in the end of `train`, on the `parts` of `valid`; see `ngram_losses`."""
    train = train[-COUNTED:]
    losses = ngram_losses(train, valid, vocabulary_size, parts)
    counted = int(np.count_nonzero(train < vocabulary_size))
    return Ladder(tuple(Rung(n, each.mean) for n, each in enumerate(losses, start=1)), counted)


def ngram_losses(
    train: Codes, valid: Codes, vocabulary_size: int, parts: Sequence[slice], longest: int = LONGEST
) -> Iterator[StretchLosses]:
    """The losses on `valid[part]` for each of the `parts`, of the n-gram models counted in `train`: n = 1 … `longest`.

    `train` (N,) and `valid` (M,) are codes below `vocabulary_size` = V, and `valid` follows `train` in the text: the
    first characters of `valid` have those at the end of `train` before them. There must be at least one part. Where
    `train` has gaps, at least `longest` codes V stand in each.
    """
    return map(losses_by_stretch, ngram_character_losses(train, valid, vocabulary_size, parts, longest))


def ngram_character_losses(
    train: Codes, valid: Codes, vocabulary_size: int, parts: Sequence[slice], longest: int = LONGEST
) -> Iterator[list[Array]]:
    """For n = 1 … `longest` the losses of that n-gram model on every character of each part: (n,) arrays, in nats.

    The arguments are those of `ngram_losses`.
    """
    text, counted, measured = _joined(train, valid, vocabulary_size, parts, longest)
    positions = np.concatenate(measured)
    bounds = np.cumsum([len(each) for each in measured])[:-1]
    lower = np.full(len(positions), 1.0 / vocabulary_size)  # P_{n−1} of every measured character
    by_length = _ngrams_by_length(text, longest, vocabulary_size + 1, counted)  # the code V is the sign
    contexts, ngrams = next(by_length), next(by_length)
    while True:
        losses = -np.log(_interpolated(ngrams.count, ngrams, contexts, positions, lower))
        yield np.split(losses, bounds)
        longer = next(by_length, None)
        if longer is None:
            return
        lower = _interpolated(_kinds_before(ngrams, longer), ngrams, contexts, positions, lower)
        contexts, ngrams = ngrams, longer


def _joined(
    train: Codes, valid: Codes, sign: int, parts: Sequence[slice], longest: int
) -> tuple[Codes, slice, list[Integers]]:
    """One text to count in: `longest` signs, `train`, then each part of `valid` with what its n-grams need before it.

    Also the slice of it that is counted, and the positions of each part's characters.
    """
    before = np.concatenate([np.full(longest, sign, np.min_scalar_type(sign)), train])
    read = [with_context(before, valid, part, longest - 1) for part in parts]
    ends = (len(before) + np.cumsum([len(each) for each in read])).tolist()
    positions = [np.arange(end - part.stop + part.start, end) for end, part in zip(ends, parts, strict=True)]
    return np.concatenate([before, *read]), slice(longest, len(before)), positions


@dataclass(frozen=True, eq=False)
class _Ngrams:
    """The different n-grams of a text for one n, numbered from 0."""

    at: Integers  # (characters,): the number of the n-gram that ends at each position
    example: Integers  # (n-grams,): a position at which each ends
    count: Integers  # (n-grams,): at how many of the counted positions it ends


def _ngrams_by_length(text: Codes, longest: int, base: int, counted: slice) -> Iterator[_Ngrams]:
    """The n-grams of `text` for n = 0, 1, … `longest`, their counts in the slice `counted`.

    The text begins with `longest` signs, so all n-grams that count are whole.
    """
    order = _sorted_backwards(text, longest, base)
    is_counted = (order >= counted.start) & (order < counted.stop) & (text[order] < base - 1)
    is_same = np.ones(len(text) - 1, bool)  # whether neighbours in that order end in the same n characters
    for n in range(longest + 1):
        if n:
            nth_last = text.take(order - np.int32(n - 1), mode="clip")
            is_same &= nth_last[1:] == nth_last[:-1]
        first = np.concatenate([[0], np.flatnonzero(~is_same) + 1])
        at = np.empty(len(order), np.int32)
        at[order] = np.repeat(np.arange(len(first), dtype=np.int32), np.diff(first, append=len(order)))
        yield _Ngrams(at, order[first], np.add.reduceat(is_counted, first, dtype=np.int32))


def _sorted_backwards(text: Codes, n: int, base: int) -> Integers:
    """The positions of `text`, sorted by the n characters that end there, the last one first; codes are below `base`.

    So positions at which the same characters end are neighbours, however many characters one looks at. What stands
    before the start of the text counts as code 0.
    """
    width = min(n, int(63 / np.log2(base)))  # characters that fit into one integer
    padded = np.concatenate([np.zeros(width, text.dtype), text])
    key = np.zeros(len(text), np.int64)
    for back in range(width):
        key *= base
        key += padded[width - back : len(padded) - back]
    while True:
        order = np.argsort(key)
        if width >= n:
            return order.astype(np.int32)
        rank = np.empty_like(order)  # of the last `width` characters; those before them have a rank too
        rank[order] = np.cumsum(np.diff(key[order], prepend=0) != 0)
        key = rank * len(text)
        key[width:] += rank[:-width]
        width *= 2


def _kinds_before(ngrams: _Ngrams, longer: _Ngrams) -> Integers:
    """For each n-gram the number of different characters that were seen before it, from the n-grams `longer` by one."""
    return np.bincount(ngrams.at[longer.example[longer.count > 0]], minlength=len(ngrams.count))


def _interpolated(seen: Integers, ngrams: _Ngrams, contexts: _Ngrams, positions: Integers, lower: Array) -> Array:
    """P_n of the characters at `positions`, from a = `seen` of every n-gram and the P_{n−1} of the same characters."""
    discounts = np.array([0.0, *_discounts(np.bincount(np.minimum(seen, 5), minlength=6)[1:5].tolist())])
    context = contexts.at[ngrams.example - 1]  # of each n-gram
    total = np.bincount(context, seen, len(contexts.count))
    withheld = np.bincount(context, discounts[np.minimum(seen, 3)], len(contexts.count))
    own, before = seen[ngrams.at[positions]], contexts.at[positions - 1]
    known = total[before] > 0
    probability = lower.copy()
    kept = own - discounts[np.minimum(own, 3)] + withheld[before] * lower
    probability[known] = kept[known] / total[before][known]
    return probability


def _discounts(t: Sequence[int]) -> Sequence[float]:
    """D₁, D₂ and D₃ from t₁ … t₄; `FALLBACK` if these are too few to give discounts between 0 and 1, 2 and 3."""
    if min(t) == 0:
        return FALLBACK
    y = t[0] / (t[0] + 2 * t[1])
    discounts = [i - (i + 1) * y * t[i] / t[i - 1] for i in (1, 2, 3)]
    return discounts if all(0 <= d <= i for i, d in enumerate(discounts, start=1)) else FALLBACK
