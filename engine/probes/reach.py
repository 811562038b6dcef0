"""How far back a model looks: the connectivity-weighted mean distance s − t at positions of held-out text.

What lies further back than the window begins is not seen: a reach is a lower bound where it comes near that. It is an
average over few positions, so it has a standard error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from engine.arrays import Array, Codes
from engine.network.cells.tape import Sweep
from engine.network.model import Model
from engine.probes.connectivity import input_norm, weighted_distance

REACH_BEFORE = 100  # characters that are read before a predicted one, at most
POSITIONS = 32  # predicted characters, at most


@dataclass(frozen=True)
class Reach:
    """How far back predictions look at each of N positions, in characters: `distances` (N,)."""

    distances: Array
    before: int  # characters that were read before each predicted one; no distance is larger than this less one

    @cached_property
    def mean(self) -> float:
        """The reach."""
        return float(self.distances.mean())

    @cached_property
    def standard_error(self) -> float:
        """Of the mean, as of independent positions; NaN if there is only one."""
        return standard_error(self.distances)


def standard_error(values: Array) -> float:
    """The standard error of the mean of `values` (N,), which are taken to be independent; NaN if N is 1."""
    return float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def reach(model: Model, windows: Codes) -> Reach:
    """Σ_t C(t, s, k)·(s − t) / Σ_t C(t, s, k) at N held-out positions.

    Each column of `windows` (S + 1, N) has S characters and the character k after them. s is the last of the S
    positions. The state before the first is zero, so a reach is always less than S. If the range of float32 is too
    small for exploding gradients, all is computed again in float64.
    """
    codes, targets = windows[:-1], windows[-1]
    seq, count = codes.shape
    work = model.workspace(seq, count, train=False)
    model.forward(work, codes)
    d_outputs = np.zeros((seq, count, model.architecture.hidden_size), model.parameters.flat.dtype)
    d_outputs[-1] = model.head_weight[targets]
    sweeps = [Sweep(layer, seq, count, keep_delta=layer.index > 0) for layer in model.layers]
    norm_of, connectivity = input_norm(model), np.zeros((count, seq))

    def observe(t: int, d_states: tuple[Array, ...], delta: Array) -> None:
        connectivity[:, t] = norm_of(delta)

    with np.errstate(over="ignore", invalid="ignore"):
        model.sweep_back(work, sweeps, d_outputs, {0: observe})
    if model.parameters.flat.dtype != np.float64 and not np.isfinite(connectivity).all():
        return reach(model.in_double(), windows)
    return Reach(np.array([weighted_distance(row) for row in connectivity]), seq)


def windows(codes: Codes, length: int, count: int) -> Codes:
    """At most `count` windows of at most `length` characters of the text `codes`, evenly spaced, (length, count)."""
    length = min(length, len(codes))
    count = max(1, min(count, len(codes) // length))
    starts = np.arange(count) * (len(codes) - length) // max(1, count - 1)
    return np.stack([codes[start : start + length] for start in starts], axis=1).astype(np.intp)
