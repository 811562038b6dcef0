"""The held-out text as windows that a network reads: the stretches that are measured, and what comes before each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.arrays import Array, Codes
from engine.network.cells.layer import Clamps
from engine.network.model import Model
from engine.text.stretches import WARM_UP, StretchLosses, stretches

SEQ = 50  # time steps of a window


class ValidationText:
    """S stretches of a held-out text, side by side, in windows of T = `seq` steps.

    `train` (N,) comes before `valid` (M,) in the text; N and M are at least 1. Stretch b is `valid[parts[b]]`; without
    `parts` they are `stretches(M)`. The network begins `warm_up` characters earlier with a zero state (fewer, if the
    training text is shorter) and carries its state from window to window. Losses are measured in the stretch only.
    """

    def __init__(
        self, train: Codes, valid: Codes, parts: Sequence[slice] | None = None, *, warm_up: int = WARM_UP
    ) -> None:
        parts = stretches(len(valid)) if parts is None else parts
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

    def measured(self, index: int) -> NDArray[np.bool_]:
        """Which targets of window `index` are measured, (T, S); the others are warm-up, or follow a stretch's end."""
        place = np.arange(index * self.seq, (index + 1) * self.seq)[:, None] - self._warm_up
        measured: NDArray[np.bool_] = (place >= 0) & (place < self.counts)
        return measured

    def sums(self, index: int, losses: Array) -> Array:
        """The sum of those `losses` (T, S) of window `index` that are measured, (S,)."""
        sums: Array = np.where(self.measured(index), losses, 0).sum(axis=0, dtype=np.float64)
        return sums

    def losses_of(self, model: Model, clamps: dict[int, Clamps] | None = None) -> StretchLosses:
        """The losses of `model`; `clamps` has, for some layers, (unit, value) pairs of h that are held fixed."""
        work = model.workspace(self.seq, self.batch, train=False)
        sums = np.zeros(self.batch)
        for index in range(self.windows):
            if index:
                work.carry()
            sums += self.sums(index, model.losses(work, *self.window(index), clamps))
        return self.losses(sums)

    def losses(self, sums: Array) -> StretchLosses:
        """The losses of all windows, whose `sums` were added."""
        return StretchLosses(sums, self.counts)
