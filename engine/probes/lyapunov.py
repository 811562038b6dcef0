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

import numpy as np

from engine.arrays import Array, Codes
from engine.network.cells import plain
from engine.network.cells.cell import cell_of
from engine.network.cells.plain import PLAIN, Weights
from engine.network.cells.tangents import TANGENTS, tangent
from engine.network.model import Model

WARM_UP, MEASURED = 100, 400  # steps


def exponents(
    model: Model, codes: Codes, count: int | None = None, *, warm_up: int = WARM_UP, start: Array | None = None
) -> Array:
    """The `count` largest Lyapunov exponents along the text `codes` (T,), largest first, in nats per character.

    None counts all; there are as many as numbers in the state. The state is zero before the text, all is in float64,
    and no dropout acts. Of a text that is too short for the warm-up, four fifths are measured. The directions begin as
    the rows of `start` (K, S), which need not be orthonormal; without it they are random, and always the same. An
    exponent is −inf where a difference vanishes altogether, and all are NaN if the state is not finite. A cell without
    equations in `engine.network.cells.tangents` has none, (0,), and neither has an empty text.
    """
    architecture = model.architecture
    states = len(cell_of(architecture.cell).states)
    size = architecture.layers * states * architecture.hidden_size
    count = size if count is None else min(count, size)
    if architecture.cell not in TANGENTS or not len(codes):
        return np.zeros(0)
    warm_up = min(warm_up, len(codes) // 5)
    if start is None:
        # Row by row, so that the first direction is the same however many follow.
        start = np.random.default_rng(0).standard_normal((count, size))
    directions = np.linalg.qr(start.T)[0].T  # (K, S)
    total = np.zeros(len(directions))
    with np.errstate(divide="ignore"):  # log 0 is −inf
        for t, steps in enumerate(_layer_steps(model, codes)):
            changes = np.concatenate(list(_changes(architecture.cell, steps, directions, states)), axis=1)
            if not np.isfinite(changes).all():
                return np.full(len(directions), math.nan)
            q, r = np.linalg.qr(changes.T)
            directions = q.T
            if t >= warm_up:
                total += np.log(np.abs(np.diagonal(r)))
    return np.sort(total / (len(codes) - warm_up))[::-1]


def largest(model: Model, codes: Codes) -> float:
    """λ₁ along the beginning of the text `codes`, over 400 characters after 100 of warm-up; NaN if there is none."""
    found = exponents(model, codes[: WARM_UP + MEASURED], 1)
    return float(found[0]) if len(found) else math.nan


def memory_time(exponent: float) -> float:
    """−1/λ₁: the characters in which a small difference shrinks by a factor e. It is inf if λ₁ ≥ 0."""
    if math.isnan(exponent):
        return math.nan
    return -1 / exponent if exponent < 0 else math.inf


def _layer_steps(model: Model, codes: Codes) -> Iterator[list[tuple[Weights, object]]]:
    """For each character the step of every layer, the first layer's first, and the layer's weights."""
    architecture, parameters = model.architecture, model.parameters
    layers, inputs = [], _inputs(model, codes)[:, None]
    for index in range(architecture.layers):
        views = {name: view.astype(np.float64) for name, view in parameters.of_layer(index).items()}
        weights = plain.weights_of(views, architecture.hidden_size)
        zero = np.zeros((1, architecture.hidden_size))
        begin = (zero,) * len(cell_of(architecture.cell).states)
        steps = plain.forward(PLAIN[architecture.cell], weights, inputs, begin)
        inputs = np.array([step.h for step in steps])
        layers.append([(weights, step) for step in steps])
    return map(list, zip(*layers, strict=True))


def _inputs(model: Model, codes: Codes) -> Array:
    """What the first layer reads, (T, D)."""
    if model.architecture.onehot:
        return np.eye(model.architecture.vocabulary_size)[codes]
    return model.parameters["embedding.weight"][codes].astype(np.float64)


def _changes(cell: str, steps: list[tuple[Weights, object]], directions: Array, states: int) -> Iterator[Array]:
    """J_t times each direction, (K, H) at a time: layer by layer h, or h and c."""
    parts = np.split(directions, len(steps) * states, axis=1)
    d_x: Array | None = None  # the characters read do not change
    for index, (weights, step) in enumerate(steps):
        after = tangent(cell, weights, step, d_x, tuple(parts[index * states : (index + 1) * states]))
        yield from after
        d_x = after[0]
