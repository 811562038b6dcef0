"""The loss by position since a zero state: how many characters a network must have read to predict at its best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from engine.arrays import Array, Codes
from engine.network.model import Model
from engine.probes.reach import standard_error, windows

LENGTH = 500  # positions, unless the text is shorter
WINDOWS = 256  # at most; the windows lie evenly in the text, and no two overlap
TOGETHER = 32  # windows that are read side by side
GROUPS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500)  # the last position of each group


@dataclass(frozen=True)
class LossByPosition:
    """The losses (T, N) of N windows of text after each of T characters, in nats, t = 0 first."""

    losses: Array

    def between(self, start: int, stop: int) -> tuple[float, float]:
        """The mean loss at positions `start` … `stop` − 1, and its standard error over the windows.

        The error is NaN if there is but one window.
        """
        means = self.losses[start:stop].mean(axis=0)
        return float(means.mean()), standard_error(means)

    def groups(self) -> list[tuple[int, int, float, float]]:
        """First and last position, counted from 1, of groups that grow, each with its mean loss and standard error."""
        found = []
        first = 1
        for last in GROUPS:
            last = min(last, len(self.losses))
            if first <= last:
                found.append((first, last, *self.between(first - 1, last)))
            first = last + 1
        return found


def loss_by_position(
    model: Model, blocks: Sequence[Codes], progress: Callable[[float], None] | None = None
) -> LossByPosition:
    """The losses on windows of the `blocks` of a text, of at least two characters each, each read from a zero state.

    The loss at position t is that of the character after the t + 1 that were read. `progress` is called with the share
    that is done, 0 … 1.
    """
    length = min(LENGTH + 1, *map(len, blocks))
    texts = np.concatenate([windows(block, length, max(1, WINDOWS // len(blocks))) for block in blocks], axis=1)
    parts = []
    for start in range(0, texts.shape[1], TOGETHER):
        part = texts[:, start : start + TOGETHER]
        work = model.workspace(len(part) - 1, part.shape[1], train=False)
        parts.append(np.array(model.losses(work, part[:-1], part[1:]), np.float64))
        if progress:
            progress(min((start + TOGETHER) / texts.shape[1], 1.0))
    return LossByPosition(np.concatenate(parts, axis=1))
