"""The plain cells' steps differentiated forward: how a small change of the state before a step changes the state after.

Backpropagation asks what one loss gets from every number; these functions ask what one number's change does to all
others. They take steps that `plain.py` has computed. K changes are followed side by side, one in each row. `from_x`
(K, G·H) is the change of W_ih x + b_ih, which is not zero in a layer above another; `d_h` and `d_c` (K, H) are changes
of h_{t−1} and c_{t−1}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.network.cells.plain import GRUStep, LSTMStep, MinGRUStep, MinLSTMStep, RNNStep, Weights


def rnn_tangent(weights: Weights, step: RNNStep, from_x: Array, d_h: Array) -> tuple[Array, ...]:
    """The change (K, H) of h = tanh(a)."""
    d_a = from_x + d_h @ weights.weight_hh.T
    return ((1 - step.h**2) * d_a,)


def gru_tangent(weights: Weights, step: GRUStep, from_x: Array, d_h: Array) -> tuple[Array, ...]:
    """The change (K, H) of h = (1 − z) ∘ n + z ∘ h₋₁."""
    x_r, x_z, x_n = np.split(from_x, 3, axis=1)
    h_r, h_z, d_m = np.split(d_h @ weights.weight_hh.T, 3, axis=1)
    d_r = step.r * (1 - step.r) * (x_r + h_r)
    d_z = step.z * (1 - step.z) * (x_z + h_z)
    d_n = (1 - step.n**2) * (x_n + d_r * step.m + step.r * d_m)
    return ((1 - step.z) * d_n + (step.h_before - step.n) * d_z + step.z * d_h,)


def lstm_tangent(weights: Weights, step: LSTMStep, from_x: Array, d_h: Array, d_c: Array) -> tuple[Array, ...]:
    """The changes (K, H) of h = o ∘ tanh(c) and of c = f ∘ c₋₁ + i ∘ g."""
    a_i, a_f, a_g, a_o = np.split(from_x + d_h @ weights.weight_hh.T, 4, axis=1)
    d_i = step.i * (1 - step.i) * a_i
    d_f = step.f * (1 - step.f) * a_f
    d_g = (1 - step.g**2) * a_g
    d_o = step.o * (1 - step.o) * a_o
    after = step.f * d_c + d_f * step.c_before + d_i * step.g + step.i * d_g
    tanh_c = np.tanh(step.c)
    return d_o * tanh_c + step.o * (1 - tanh_c**2) * after, after


def mingru_tangent(weights: Weights, step: MinGRUStep, from_x: Array, d_h: Array) -> tuple[Array, ...]:
    """The change (K, H) of h = (1 − z) ∘ h₋₁ + z ∘ n."""
    x_z, d_n = np.split(from_x, 2, axis=1)
    d_z = step.z * (1 - step.z) * x_z
    return ((1 - step.z) * d_h + (step.n - step.h_before) * d_z + step.z * d_n,)


def minlstm_tangent(weights: Weights, step: MinLSTMStep, from_x: Array, d_h: Array) -> tuple[Array, ...]:
    """The change (K, H) of h = f / (f + i) ∘ h₋₁ + i / (f + i) ∘ n."""
    x_f, x_i, d_n = np.split(from_x, 3, axis=1)
    total = step.f + step.i
    d_f = step.f * (1 - step.f) * x_f
    d_i = step.i * (1 - step.i) * x_i
    d_keep = (d_f * step.i - step.f * d_i) / total**2
    return (step.f / total * d_h + d_keep * (step.h_before - step.n) + step.i / total * d_n,)


TANGENTS: dict[str, Callable[..., tuple[Array, ...]]] = {
    "rnn": rnn_tangent,
    "gru": gru_tangent,
    "lstm": lstm_tangent,
    "mingru": mingru_tangent,
    "minlstm": minlstm_tangent,
}


def tangent(
    cell: str, weights: Weights, step: Any, d_x: Array | None, d_before: tuple[Array, ...]
) -> tuple[Array, ...]:
    """The changes (K, H) of the state after `step` of `cell`, if x changes by `d_x` (K, D) and the state by `d_before`.

    None for `d_x` is no change of x. The state is (h,) or (h, c).
    """
    none = np.zeros((len(d_before[0]), len(weights.weight_ih)), d_before[0].dtype)
    return TANGENTS[cell](weights, step, none if d_x is None else d_x @ weights.weight_ih.T, *d_before)
