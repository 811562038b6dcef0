"""The lstm.

Hochreiter & Schmidhuber 1997, "Long Short-Term Memory"; Gers et al. 2000, "Learning to Forget".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.arrays import Array
from engine.network.cells.plain.step import Step, StepBack, Weights, sigmoid


@dataclass(frozen=True)
class LSTMStep(Step):
    """One step of the lstm."""

    x: Array  # (B, D)
    h_before: Array  # (B, H): h_{t−1}
    c_before: Array  # (B, H): c_{t−1}
    i: Array  # (B, H): the input gate, how much of the candidate enters the cell state
    f: Array  # (B, H): the forget gate, how much of the cell state stays
    g: Array  # (B, H): the candidate
    o: Array  # (B, H): the output gate, how much of the cell state shows
    c: Array  # (B, H): the cell state
    h: Array  # (B, H)

    @property
    def state(self) -> tuple[Array, ...]:
        """What the next step begins with."""
        return (self.h, self.c)


def lstm_step(weights: Weights, x: Array, h_before: Array, c_before: Array) -> LSTMStep:
    """i, f, o = σ(…), g = tanh(…), c = f ∘ c₋₁ + i ∘ g, h = o ∘ tanh(c); x (B, D), h₋₁ and c₋₁ (B, H)."""
    from_input = x @ weights.weight_ih.T + weights.bias_ih  # (B, 4H)
    from_state = h_before @ weights.weight_hh.T + weights.bias_hh  # (B, 4H)
    a_i, a_f, a_g, a_o = np.split(from_input + from_state, 4, axis=1)  # (B, H) each
    i = sigmoid(a_i)  # (B, H)
    f = sigmoid(a_f)  # (B, H)
    g = np.tanh(a_g)  # (B, H)
    o = sigmoid(a_o)  # (B, H)
    c = f * c_before + i * g  # (B, H)
    h = o * np.tanh(c)  # (B, H)
    return LSTMStep(x, h_before, c_before, i, f, g, o, c, h)


def lstm_step_back(weights: Weights, step: LSTMStep, d_h: Array, d_c_later: Array) -> StepBack:
    """From ∂ℓ/∂h_t and step t + 1's part of ∂ℓ/∂c_t, (B, H) each, to what x_t, h_{t−1}, c_{t−1} and the weights get."""
    weight_hi, weight_hf, weight_hg, weight_ho = np.split(weights.weight_hh, 4)  # (H, H) each
    # h = o ∘ tanh(c):
    d_o = d_h * np.tanh(step.c)  # (B, H)
    d_c = d_c_later + d_h * step.o * (1 - np.tanh(step.c) ** 2)  # (B, H): now complete
    # c = f ∘ c₋₁ + i ∘ g:
    d_f = d_c * step.c_before  # (B, H)
    d_i = d_c * step.g  # (B, H)
    d_g = d_c * step.i  # (B, H)
    straight = d_c * step.f  # (B, H): to c₋₁, through no weight at all
    # i = σ(a_i), f = σ(a_f), g = tanh(a_g), o = σ(a_o), each a sum of an x part and an h part:
    d_a_i = d_i * step.i * (1 - step.i)  # (B, H)
    d_a_f = d_f * step.f * (1 - step.f)  # (B, H)
    d_a_g = d_g * (1 - step.g**2)  # (B, H)
    d_a_o = d_o * step.o * (1 - step.o)  # (B, H)
    # h₋₁ stands in all four, each time multiplied by a gate's block of W_hh:
    through_i = d_a_i @ weight_hi  # (B, H)
    through_f = d_a_f @ weight_hf  # (B, H)
    through_g = d_a_g @ weight_hg  # (B, H)
    through_o = d_a_o @ weight_ho  # (B, H)
    paths = {"i": through_i, "f": through_f, "g": through_g, "o": through_o}
    d_a = np.concatenate([d_a_i, d_a_f, d_a_g, d_a_o], axis=1)  # (B, 4H)
    return StepBack(d_a, d_a, (d_h, d_c), (paths, {"straight": straight}))


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
