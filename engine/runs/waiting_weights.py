"""Weights that wait in memory to be written: the best ones for the next save, others because the disk refused them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.runs import checkpoint, kept_weights
from engine.runs.checkpoint import Arrays
from engine.runs.directory import RunDirectory

BEST = "best.safetensors"


class Best(NamedTuple):
    """The weights with the lowest validation loss, in nats per character."""

    weights: Arrays
    step: int
    val_loss: float


class WaitingWeights:
    """The best weights, and weights to be kept, that are not on disk yet."""

    def __init__(self) -> None:
        self._best: Best | None = None
        self._unkept: dict[int, Arrays] = {}  # by their steps

    def put_best(self, weights: Mapping[str, NDArray[Any]], step: int, val_loss: float) -> None:
        """Have these written by `write`, instead of those that wait."""
        self._best = Best(_copy(weights), step, val_loss)

    def keep(self, directory: RunDirectory, step: int, weights: Mapping[str, NDArray[Any]]) -> None:
        """Keep the `weights` of `step`. Raises `OSError` if the disk refuses; they then wait."""
        try:
            kept_weights.keep(directory, step, weights)
        except OSError:
            self._unkept[step] = _copy(weights)
            if len(self._unkept) > kept_weights.LIMIT:  # as many as the disk would have, the latest
                del self._unkept[min(self._unkept)]
            raise

    def write(self, directory: RunDirectory) -> None:
        """Write all that wait. Raises `OSError` if the disk refuses; what is not written goes on waiting."""
        if self._best is not None:
            meta = {"step": self._best.step, "val_loss": self._best.val_loss}
            checkpoint.write(BEST, self._best.weights, meta, dir_fd=directory.descriptor)
            self._best = None
        for step in sorted(self._unkept):
            kept_weights.keep(directory, step, self._unkept[step])
            del self._unkept[step]

    def forget_after(self, step: int) -> None:
        """Drop those of steps after `step`."""
        if self._best is not None and self._best.step > step:
            self._best = None
        self._unkept = {at: weights for at, weights in self._unkept.items() if at <= step}


def _copy(weights: Mapping[str, NDArray[Any]]) -> Arrays:
    """The weights as they are now; the trainer changes its own in place."""
    return {name: np.array(array) for name, array in weights.items()}
