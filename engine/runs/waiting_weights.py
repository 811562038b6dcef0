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


def weights_of(arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """The parameters among the arrays of a checkpoint."""
    return {name: array for name, array in arrays.items() if name.startswith(("embedding.", "rnn.", "head."))}


class Waiting(NamedTuple):
    """Weights, and the values that are written beside them."""

    weights: Arrays
    values: dict[str, Any]
    marked: bool = False  # to be kept whatever else is kept


class WaitingWeights:
    """The best weights, and weights to be kept, that are not on disk yet."""

    def __init__(self) -> None:
        self._best: tuple[int, Waiting] | None = None  # with their step
        self._unkept: dict[int, Waiting] = {}  # by their steps

    def put_best(self, step: int, weights: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> None:
        """Have the `weights` of `step` written by `write`, instead of those that wait."""
        self._best = step, _copy(weights, values)

    def keep(
        self,
        directory: RunDirectory,
        step: int,
        weights: Mapping[str, NDArray[Any]],
        values: Mapping[str, Any],
        *,
        marked: bool = False,
    ) -> None:
        """Keep the `weights` of `step`, `marked` or not. Raises `OSError` if the disk refuses; they then wait."""
        try:
            kept_weights.keep(directory, step, weights, values, marked=marked)
        except OSError:
            self._unkept[step] = _copy(weights, values)._replace(marked=marked)
            if len(self._unkept) > kept_weights.LEAST:  # as many as the disk would have, the latest
                del self._unkept[min(self._unkept)]
            raise

    def write(self, directory: RunDirectory) -> None:
        """Write all that wait. Raises `OSError` if the disk refuses; what is not written goes on waiting."""
        if self._best is not None:
            _, best = self._best
            checkpoint.write(BEST, best.weights, best.values, dir_fd=directory.descriptor)
            self._best = None
        for step in sorted(self._unkept):
            waiting = self._unkept[step]
            kept_weights.keep(directory, step, waiting.weights, waiting.values, marked=waiting.marked)
            del self._unkept[step]

    def forget_after(self, step: int) -> None:
        """Drop those of steps after `step`."""
        if self._best is not None and self._best[0] > step:
            self._best = None
        self._unkept = {at: waiting for at, waiting in self._unkept.items() if at <= step}


def _copy(weights: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Waiting:
    """The weights as they are now; the trainer changes its own in place."""
    return Waiting({name: np.array(array) for name, array in weights.items()}, dict(values))
