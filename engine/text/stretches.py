"""The stretches of the held-out text on which losses are measured: the same characters for every model.

A held-out text of up to 51,200 characters is measured whole. Of a longer one, 32 stretches of 1,600 characters are
measured, evenly spaced. No character is measured twice. Before a stretch begins, a network reads the text that comes
before it, which is not measured: otherwise the mean would say how a network does that has just begun to read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from engine.arrays import Array, Codes, Integers

STRETCHES = 32  # at most
SHORTEST, LONGEST = 50, 1600  # characters of a stretch, unless the whole text is shorter, or is measured whole
WARM_UP = 200  # characters before a stretch that a network reads first


def stretches(length: int, longest: int | None = LONGEST, most: int = STRETCHES) -> list[slice]:
    """The parts of a text of `length` characters that are measured; all of the text if `longest` is None."""
    count = max(1, min(most, length // SHORTEST))
    bounds = [length * part // count for part in range(count + 1)]
    return [slice(start, stop if longest is None else min(stop, start + longest)) for start, stop in pairwise(bounds)]


def stretches_of(blocks: Sequence[slice], longest: int | None = LONGEST) -> list[slice]:
    """The stretches of all `blocks` of a text: together at most 32 if there are no more blocks, and none in two."""
    most = max(1, STRETCHES // max(len(blocks), 1))
    return [
        slice(block.start + part.start, block.start + part.stop)
        for block in blocks
        for part in stretches(block.stop - block.start, longest, most)
    ]


def with_context(before: Codes, text: Codes, part: slice, context: int) -> Codes:
    """`text[part]` and the `context` characters before it, of which some may be the end of `before`.

    (context + n,), or less where both texts have fewer characters before the part.
    """
    missing = min(max(context - part.start, 0), len(before))
    own = np.asarray(text[max(part.start - context, 0) : part.stop])
    return np.concatenate([np.asarray(before[len(before) - missing :]), own])


@dataclass(frozen=True, eq=False)
class StretchLosses:
    """Losses that were measured on S stretches: their `sums` (S,) in nats, and how many characters each has."""

    sums: Array
    counts: Integers

    @property
    def mean(self) -> float:
        """Nats per character."""
        return float(self.sums.sum() / self.counts.sum())

    @property
    def standard_error(self) -> float | None:
        """The standard error of the mean, from how much the stretches differ; None if there is only one.

        It says how far the mean may be from that of a much longer text of this kind. Characters near each other are
        not independent, so the stretches are the sample: the mean is a ratio of two sums over them, and its variance
        is that of the residuals (Cochran, Sampling Techniques, 3rd edition, 1977, section 6.3).
        """
        size = len(self.counts)
        if size < 2:
            return None
        residuals = self.sums - self.mean * self.counts
        return math.sqrt(float(residuals @ residuals) * size / (size - 1)) / float(self.counts.sum())

    def above(self, other: StretchLosses) -> StretchLosses:
        """How far these losses lie above those of another model on the same characters."""
        return StretchLosses(self.sums - other.sums, self.counts)


def losses_by_stretch(losses: Sequence[Array]) -> StretchLosses:
    """The losses of each stretch's characters, (n,) each and in nats, as sums."""
    return StretchLosses(
        np.array([each.sum(dtype=np.float64) for each in losses]), np.array([len(each) for each in losses])
    )
