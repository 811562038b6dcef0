"""The minlstm: no weights multiply h₋₁.

Feng et al. 2024, "Were RNNs All We Needed?", arXiv 2410.01201, section 3.2; n is h̃ there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.arrays import Array
from engine.network.cells.plain.step import Step, StepBack, Weights, sigmoid


@dataclass(frozen=True)
class MinLSTMStep(Step):
    """One step of the minlstm."""

    x: Array  # (B, D)
    h_before: Array  # (B, H): h_{t−1}
    f: Array  # (B, H): the forget gate
    i: Array  # (B, H): the input gate
    n: Array  # (B, H): the candidate for the new state, which has no bounds
    h: Array  # (B, H)


def minlstm_step(weights: Weights, x: Array, h_before: Array) -> MinLSTMStep:
    """f, i = σ(…), n = W_n x + b_n, h = f / (f + i) ∘ h₋₁ + i / (f + i) ∘ n; x (B, D), h₋₁ (B, H)."""
    a_f, a_i, n = np.split(x @ weights.weight_ih.T + weights.bias_ih, 3, axis=1)  # (B, H) each
    f = sigmoid(a_f)  # (B, H)
    i = sigmoid(a_i)  # (B, H)
    keep = f / (f + i)  # (B, H): how much of the old state stays
    take = i / (f + i)  # (B, H): how much of the candidate is taken
    h = keep * h_before + take * n  # (B, H)
    return MinLSTMStep(x, h_before, f, i, n, h)


def minlstm_step_back(weights: Weights, step: MinLSTMStep, d_h: Array) -> StepBack:
    """From d_h (B, H), of h_t, to the gradient of the product and of h_{t−1}, to which only one path leads."""
    total = step.f + step.i  # (B, H)
    d_keep = d_h * step.h_before  # (B, H)
    d_take = d_h * step.n  # (B, H)
    d_n = d_h * step.i / total  # (B, H)
    straight = d_h * step.f / total  # (B, H): to h₋₁, through no weight at all
    # keep = f / (f + i) and take = i / (f + i):
    d_f = d_keep * step.i / total**2 - d_take * step.i / total**2  # (B, H)
    d_i = d_take * step.f / total**2 - d_keep * step.f / total**2  # (B, H)
    d_a_f = d_f * step.f * (1 - step.f)  # (B, H)
    d_a_i = d_i * step.i * (1 - step.i)  # (B, H)
    d_input = np.concatenate([d_a_f, d_a_i, d_n], axis=1)  # (B, 3H)
    return StepBack(d_input, d_input[:, :0], (d_h,), ({"straight": straight},))


def minlstm_tangent(weights: Weights, step: MinLSTMStep, from_x: Array, d_h: Array) -> tuple[Array, ...]:
    """The change (K, H) of h = f / (f + i) ∘ h₋₁ + i / (f + i) ∘ n."""
    x_f, x_i, d_n = np.split(from_x, 3, axis=1)
    total = step.f + step.i
    d_f = step.f * (1 - step.f) * x_f
    d_i = step.i * (1 - step.i) * x_i
    d_keep = (d_f * step.i - step.f * d_i) / total**2
    return (step.f / total * d_h + d_keep * (step.h_before - step.n) + step.i / total * d_n,)
