"""The gru, with the reset gate after the recurrent product, as PyTorch and cuDNN have it.

Cho et al. 2014, "Learning Phrase Representations using RNN Encoder–Decoder".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.arrays import Array
from engine.network.cells.plain.step import Step, StepBack, Weights, sigmoid


@dataclass(frozen=True)
class GRUStep(Step):
    """One step of the gru."""

    x: Array  # (B, D)
    h_before: Array  # (B, H): h_{t−1}
    r: Array  # (B, H): the reset gate, how much of the old state the candidate sees
    z: Array  # (B, H): the update gate, how much of the old state stays
    m: Array  # (B, H): W_hn h_{t−1} + b_hn, what r acts on
    n: Array  # (B, H): the candidate for the new state
    h: Array  # (B, H)


def gru_step(weights: Weights, x: Array, h_before: Array) -> GRUStep:
    """r, z = σ(…), n = tanh(W_in x + b_in + r ∘ (W_hn h₋₁ + b_hn)), h = (1 − z) ∘ n + z ∘ h₋₁; x (B, D), h₋₁ (B, H)."""
    x_r, x_z, x_n = np.split(x @ weights.weight_ih.T + weights.bias_ih, 3, axis=1)  # (B, H) each
    h_r, h_z, m = np.split(h_before @ weights.weight_hh.T + weights.bias_hh, 3, axis=1)  # (B, H) each
    a_r, a_z = x_r + h_r, x_z + h_z  # (B, H) each
    r = sigmoid(a_r)  # (B, H)
    z = sigmoid(a_z)  # (B, H)
    a_n = x_n + r * m  # (B, H)
    n = np.tanh(a_n)  # (B, H)
    h = (1 - z) * n + z * h_before  # (B, H)
    return GRUStep(x, h_before, r, z, m, n, h)


def gru_step_back(weights: Weights, step: GRUStep, d_h: Array) -> StepBack:
    """From d_h (B, H), of h_t, to the gradients of both products and, path by path, of h_{t−1}."""
    weight_hr, weight_hz, weight_hn = np.split(weights.weight_hh, 3)  # (H, H) each
    # h = (1 − z) ∘ n + z ∘ h₋₁ depends on n, on z and on h₋₁:
    d_n = d_h * (1 - step.z)  # (B, H)
    d_z = d_h * step.h_before - d_h * step.n  # (B, H): z stands in two places
    straight = d_h * step.z  # (B, H): to h₋₁, through no weight at all
    # n = tanh(a_n) with a_n = x_n + r ∘ m:
    d_a_n = d_n * (1 - step.n**2)  # (B, H)
    d_r = d_a_n * step.m  # (B, H)
    d_m = d_a_n * step.r  # (B, H)
    # r = σ(a_r) and z = σ(a_z), each a sum of an x part and an h part:
    d_a_r = d_r * step.r * (1 - step.r)  # (B, H)
    d_a_z = d_z * step.z * (1 - step.z)  # (B, H)
    # h₋₁ stands in m, a_r and a_z as well, each time multiplied by a gate's block of W_hh:
    through_n = d_m @ weight_hn  # (B, H)
    through_r = d_a_r @ weight_hr  # (B, H)
    through_z = d_a_z @ weight_hz  # (B, H)
    paths = {"r": through_r, "z": through_z, "n": through_n, "straight": straight}
    d_input = np.concatenate([d_a_r, d_a_z, d_a_n], axis=1)  # (B, 3H)
    d_recurrent = np.concatenate([d_a_r, d_a_z, d_m], axis=1)  # (B, 3H): W_hn h₋₁ + b_hn is m
    return StepBack(d_input, d_recurrent, (d_h,), (paths,))


def gru_tangent(weights: Weights, step: GRUStep, from_x: Array, d_h: Array) -> tuple[Array, ...]:
    """The change (K, H) of h = (1 − z) ∘ n + z ∘ h₋₁."""
    x_r, x_z, x_n = np.split(from_x, 3, axis=1)
    h_r, h_z, d_m = np.split(d_h @ weights.weight_hh.T, 3, axis=1)
    d_r = step.r * (1 - step.r) * (x_r + h_r)
    d_z = step.z * (1 - step.z) * (x_z + h_z)
    d_n = (1 - step.n**2) * (x_n + d_r * step.m + step.r * d_m)
    return ((1 - step.z) * d_n + (step.h_before - step.n) * d_z + step.z * d_h,)
