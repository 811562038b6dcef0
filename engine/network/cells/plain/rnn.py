"""The rnn: h = tanh(W_ih x + b_ih + W_hh h₋₁ + b_hh).

Elman 1990, "Finding Structure in Time".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.arrays import Array
from engine.network.cells.plain.step import Step, StepBack, Weights


@dataclass(frozen=True)
class RNNStep(Step):
    """One step of the rnn."""

    x: Array  # (B, D)
    h_before: Array  # (B, H): h_{t−1}
    h: Array  # (B, H)


def rnn_step(weights: Weights, x: Array, h_before: Array) -> RNNStep:
    """h = tanh(W_ih x + b_ih + W_hh h₋₁ + b_hh); x (B, D), h₋₁ (B, H)."""
    from_input = x @ weights.weight_ih.T + weights.bias_ih  # (B, H)
    from_state = h_before @ weights.weight_hh.T + weights.bias_hh  # (B, H)
    h = np.tanh(from_input + from_state)  # (B, H)
    return RNNStep(x, h_before, h)


def rnn_step_back(weights: Weights, step: RNNStep, d_h: Array) -> StepBack:
    """From d_h (B, H), of h_t, to the gradients of both products and, path by path, of h_{t−1}."""
    d_a = d_h * (1 - step.h**2)  # (B, H), with a = W_ih x + b_ih + W_hh h₋₁ + b_hh
    through_h = d_a @ weights.weight_hh  # (B, H)
    return StepBack(d_a, d_a, (d_h,), ({"h": through_h},))


def rnn_tangent(weights: Weights, step: RNNStep, from_x: Array, d_h: Array) -> tuple[Array, ...]:
    """The change (K, H) of h = tanh(a)."""
    d_a = from_x + d_h @ weights.weight_hh.T
    return ((1 - step.h**2) * d_a,)
