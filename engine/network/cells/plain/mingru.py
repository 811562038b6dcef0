"""The mingru: no weights multiply h₋₁.

Feng et al. 2024, "Were RNNs All We Needed?", arXiv 2410.01201, section 3.1; n is h̃ there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.arrays import Array
from engine.network.cells.plain.step import Step, StepBack, Weights, sigmoid


@dataclass(frozen=True)
class MinGRUStep(Step):
    """One step of the mingru."""

    x: Array  # (B, D)
    h_before: Array  # (B, H): h_{t−1}
    z: Array  # (B, H): the update gate, how much of the candidate replaces the old state
    n: Array  # (B, H): the candidate for the new state, which has no bounds
    h: Array  # (B, H)


def mingru_step(weights: Weights, x: Array, h_before: Array) -> MinGRUStep:
    """z = σ(W_z x + b_z), n = W_n x + b_n, h = (1 − z) ∘ h₋₁ + z ∘ n; x (B, D), h₋₁ (B, H)."""
    a_z, n = np.split(x @ weights.weight_ih.T + weights.bias_ih, 2, axis=1)  # (B, H) each
    z = sigmoid(a_z)  # (B, H)
    h = (1 - z) * h_before + z * n  # (B, H)
    return MinGRUStep(x, h_before, z, n, h)


def mingru_step_back(weights: Weights, step: MinGRUStep, d_h: Array) -> StepBack:
    """From d_h (B, H), of h_t, to the gradient of the product and of h_{t−1}, to which only one path leads."""
    d_z = d_h * step.n - d_h * step.h_before  # (B, H): z stands in two places
    d_n = d_h * step.z  # (B, H)
    straight = d_h * (1 - step.z)  # (B, H): to h₋₁, through no weight at all
    d_a_z = d_z * step.z * (1 - step.z)  # (B, H)
    d_input = np.concatenate([d_a_z, d_n], axis=1)  # (B, 2H)
    return StepBack(d_input, d_input[:, :0], (d_h,), ({"straight": straight},))


def mingru_tangent(weights: Weights, step: MinGRUStep, from_x: Array, d_h: Array) -> tuple[Array, ...]:
    """The change (K, H) of h = (1 − z) ∘ h₋₁ + z ∘ n."""
    x_z, d_n = np.split(from_x, 2, axis=1)
    d_z = step.z * (1 - step.z) * x_z
    return ((1 - step.z) * d_h + (step.n - step.h_before) * d_z + step.z * d_n,)
