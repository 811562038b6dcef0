"""How far back a model looks: the connectivity-weighted mean distance s − t over held-out positions."""

from __future__ import annotations

import numpy as np

from engine.arrays import Array, Codes
from engine.network.cells.tape import Sweep
from engine.network.model import Model
from engine.probes.connectivity import input_factor, weighted_distance


def reach(model: Model, windows: Codes) -> float:
    """Mean of Σ_t C(t, s, k)·(s − t) / Σ_t C(t, s, k) over N held-out positions, in characters.

    Each column of `windows` (S + 1, N) has S characters and the character k after them. s is the last of the S
    positions. The state before the first is zero, so a reach is always less than S.
    """
    codes, targets = windows[:-1], windows[-1]
    seq, count = codes.shape
    work = model.workspace(seq, count, train=False)
    model.forward(work, codes)
    d_outputs = np.zeros((seq, count, model.architecture.hidden_size), model.parameters.flat.dtype)
    d_outputs[-1] = model.head_weight[targets]
    sweeps = [Sweep(layer, seq, count, keep_delta=layer.index > 0) for layer in model.layers]
    factor, rows = input_factor(model), model.layers[0].input_rows
    connectivity = np.zeros((count, seq))

    def observe(t: int, d_states: tuple[Array, ...], delta: Array) -> None:
        d_input = np.dot(delta[:, rows], factor).astype(np.float64)
        connectivity[:, t] = np.sqrt(np.einsum("nk,nk->n", d_input, d_input))

    model.sweep_back(work, sweeps, d_outputs, {0: observe})
    return float(np.mean([weighted_distance(row) for row in connectivity]))


def windows(codes: Codes, length: int, count: int) -> Codes:
    """At most `count` windows of at most `length` characters of the text `codes`, evenly spaced, (length, count)."""
    length = min(length, len(codes))
    count = max(1, min(count, len(codes) // length))
    starts = np.arange(count) * (len(codes) - length) // max(1, count - 1)
    return np.stack([codes[start : start + length] for start in starts], axis=1).astype(np.intp)
