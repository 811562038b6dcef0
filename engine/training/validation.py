"""The held-out text as windows that a network reads: the stretches that are measured, and what comes before each."""

from __future__ import annotations

import numpy as np

from engine.arrays import Array, Codes
from engine.text.stretches import LONGEST, WARM_UP, StretchLosses, stretches

SEQ = 50  # time steps of a window


class ValidationText:
    """S stretches of a held-out text, side by side, in windows of T = `seq` steps.

    `train` (N,) comes before `valid` (M,) in the text; N and M are at least 1. Stretch b is the text
    `valid[stretches(M, longest)[b]]`. The network begins `warm_up` characters earlier with a zero state (fewer, if the
    training text is shorter) and carries its state from window to window. Losses are measured in the stretch only.
    """

    def __init__(self, train: Codes, valid: Codes, *, longest: int | None = LONGEST, warm_up: int = WARM_UP) -> None:
        parts = stretches(len(valid), longest)
        warm_up = min(warm_up, len(train) - 1)
        before = np.asarray(train[len(train) - warm_up - 1 :])  # one more, as the first input has no loss of its own
        starts = np.array([part.start for part in parts])
        self.counts = np.array([part.stop - part.start for part in parts])
        self.seq, self.batch = SEQ, len(parts)
        self.windows = -(-(warm_up + int(self.counts.max())) // SEQ)
        self._warm_up = warm_up
        # Positions in `before` and `valid` joined; the last stretches may need characters after the end of the text.
        positions = starts + np.arange(self.windows * SEQ + 1)[:, None]
        self._codes = before[np.minimum(positions, warm_up)]
        inside = positions > warm_up
        self._codes[inside] = valid[np.minimum(positions[inside] - warm_up - 1, len(valid) - 1)]

    def window(self, index: int) -> tuple[Codes, Codes]:
        """Inputs and targets, (T, S) each, of window `index`."""
        block = self._codes[index * self.seq : (index + 1) * self.seq + 1].astype(np.intp)
        return block[:-1], block[1:]

    def sums(self, index: int, losses: Array) -> Array:
        """The sum of those `losses` (T, S) of window `index` that are measured, (S,)."""
        place = np.arange(index * self.seq, (index + 1) * self.seq)[:, None] - self._warm_up
        measured = (place >= 0) & (place < self.counts)
        sums: Array = np.where(measured, losses, 0).sum(axis=0, dtype=np.float64)
        return sums

    def losses(self, sums: Array) -> StretchLosses:
        """The losses of all windows, whose `sums` were added."""
        return StretchLosses(sums, self.counts)
