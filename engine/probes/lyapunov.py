"""Lyapunov exponents: how fast small differences of the whole state grow or shrink along a text, per character.

s_t is the state of all layers, each layer's h, or h and c, and J_t = ∂s_t/∂s_{t−1} at the characters that are read.
Small differences that lie along K orthonormal directions become J_t Q_{t−1} = Q_t R_t (QR decomposition). The exponent
λ_i is the mean of log|R_ii| over the steps, in nats per character, after a warm-up in which the directions turn to
where differences grow most. λ₁ > 0: two nearby states move apart, which is called chaos. λ₁ < 0: they meet again, and
their difference shrinks by a factor e in −1/λ₁ characters.

Engelken, Wolf and Abbott, Lyapunov spectra of chaotic recurrent neural networks, 2020; Vogt, Puelma Touzel, Shlizerman
and Lajoie, On Lyapunov exponents for RNNs, 2022.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from engine.arrays import Array, Codes
from engine.network.cells import plain
from engine.network.cells.cell import cell_of
from engine.network.cells.plain import PLAIN
from engine.network.cells.plain.step import Weights, weights_of
from engine.network.model import Model
from engine.probes.pieces import Pieces, at_once
from engine.probes.reach import windows

WARM_UP, MEASURED = 100, 400  # steps: the first in each stretch of text, the others in all stretches together
STRETCHES = 4  # read side by side, which takes less than half the time of one after the other


def stretches(codes: Codes) -> Codes:
    """The parts (T, S) of the text `codes` along which exponents are measured: four stretches, evenly spaced.

    Of a text that is too short for four, its beginning.
    """
    length = WARM_UP + MEASURED // STRETCHES
    if len(codes) >= STRETCHES * length:
        return windows(codes, length, STRETCHES)
    return np.asarray(codes[: WARM_UP + MEASURED], np.intp)[:, None]


def warm_up_of(steps: int, wanted: int = WARM_UP) -> int:
    """So many of the `steps` of a stretch are not measured: as many as `wanted`, but at most half of them."""
    return min(wanted, steps // 2)


def in_pieces(
    model: Model,
    codes: Codes,
    count: int | None = None,
    *,
    warm_up: int = WARM_UP,
    start: Array | None = None,
    dtype: type[np.floating[Any]] = np.float64,
) -> Pieces[Array]:
    """The `count` largest Lyapunov exponents along the text `codes` (T,), largest first, in nats per character.

    None counts all; there are as many as numbers in the state. `codes` (T, S) are S stretches of text, each with
    directions of its own, and an exponent is the mean over all of them. The state is zero before each, all is computed
    in `dtype`, and no dropout acts. Of a stretch that is too short for the warm-up, half is measured. The directions
    begin as the rows of `start` (K, N), which need not be orthonormal; without it they are random, and always the same.
    An exponent is −inf where a difference vanishes altogether, and all are NaN if the state is not finite. A cell
    without equations in `engine.network.cells.plain` has none, (0,), and neither has an empty text. There is a pause
    after each character; the weights are those that the model has before the first one.
    """
    cell, size = model.architecture.cell, state_size(model)
    count = size if count is None else min(count, size)
    codes = codes[:, None] if codes.ndim == 1 else codes
    if cell not in PLAIN or not codes.size:
        return np.zeros(0)
    seq, side = codes.shape
    warm_up = warm_up_of(seq, warm_up)
    if start is None:
        # Row by row, so that the first direction is the same however many follow.
        start = np.random.default_rng(0).standard_normal((count, size))
    q = np.broadcast_to(np.linalg.qr(start.T)[0].astype(dtype), (side, size, len(start)))  # (S, N, K)
    total = np.zeros(len(start))
    layers = [
        weights_of(model.parameters.of_layer(index), model.architecture.hidden_size, dtype)
        for index in range(model.architecture.layers)
    ]
    begin: tuple[Array, ...] = (np.zeros((side, model.architecture.hidden_size), dtype),) * len(cell_of(cell).states)
    states = [begin] * len(layers)
    for t, x in enumerate(model.parameters.inputs(codes, dtype)):
        directions = q.swapaxes(1, 2).reshape(side * len(start), size)
        changes = np.concatenate(list(_step(cell, layers, states, x, directions)), axis=1)
        if not np.isfinite(changes).all():
            return np.full(len(start), math.nan)
        q, r = np.linalg.qr(changes.reshape(side, len(start), size).swapaxes(1, 2))
        if t >= warm_up:
            with np.errstate(divide="ignore"):  # log 0 is −inf
                total += np.log(np.abs(np.diagonal(r, axis1=1, axis2=2))).sum(axis=0)
        yield
    return np.sort(total / (side * (seq - warm_up)))[::-1]


exponents = at_once(in_pieces)


def largest(model: Model, codes: Codes) -> float:
    """λ₁ along the `stretches` of the text `codes` (N,); NaN if there is none.

    It is computed in float32, which takes half as long, and less than 1e-5 from `exponents`; where that gives −inf, as
    units do that float32 rounds to ±1, in float64.
    """
    found = exponents(model, stretches(codes), 1, dtype=np.float32)
    if (found == -math.inf).any():
        found = exponents(model, stretches(codes), 1)
    return float(found[0]) if len(found) else math.nan


def memory_time(exponent: float) -> float:
    """−1/λ₁: the characters in which a small difference shrinks by a factor e. It is inf if λ₁ ≥ 0."""
    if math.isnan(exponent):
        return math.nan
    return -1 / exponent if exponent < 0 else math.inf


def state_size(model: Model) -> int:
    """N: the numbers in the whole state, h, or h and c, of all layers."""
    architecture = model.architecture
    return architecture.layers * len(cell_of(architecture.cell).states) * architecture.hidden_size


def _step(
    cell: str, layers: list[Weights], states: list[tuple[Array, ...]], x: Array, directions: Array
) -> Iterator[Array]:
    """J_t times each direction, (S·K, H) at a time: layer by layer h, or h and c. Puts the states after `x` (S, D).

    `directions` (S·K, N) has the K directions of each stretch one after the other.
    """
    parts = np.split(directions, len(layers) * len(states[0]), axis=1)
    d_x: Array | None = None  # the characters read do not change
    for index, (weights, before) in enumerate(zip(layers, states, strict=True)):
        step = PLAIN[cell].step(weights, x, *before)
        d_before = tuple(parts[index * len(before) : (index + 1) * len(before)])
        after = plain.changes(PLAIN[cell], weights, step.repeated(len(directions) // len(x)), d_x, d_before)
        yield from after
        states[index], x, d_x = step.state, step.h, after[0]
