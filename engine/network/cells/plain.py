"""The cells to read first: forward and backward through time of every cell, one line an equation, in float64.

The cells that train are in files of their own names. They are faster and harder to read; tests compare them with
this file.

B sequences run side by side through a layer with D inputs and H hidden units. An array has one row for each sequence,
so that the textbook's W x is `x @ W.T` here. G is the number of gates. The weights of all gates lie in one array, H
rows for each gate, in PyTorch's order. `d_y` is ∂ℓ/∂y, in the shape of y. ∘ multiplies element by element: `*`.

These cases of the chain rule are used below:

    y = a ∘ b          d_a = d_y ∘ b,  d_b = d_y ∘ a
    y = a + b          d_a = d_y,      d_b = d_y
    y = 1 − a          d_a = −d_y
    y = σ(a)           d_a = d_y ∘ y ∘ (1 − y)
    y = tanh(a)        d_a = d_y ∘ (1 − y²)
    y = x Wᵀ + b       d_x = d_y W,    d_W = d_yᵀ x,    d_b = d_y summed over its rows

What stands in several places gets the sum of what each place gives it.

`forward` and `backward` at the end go through all time steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from engine.arrays import Array


class Weights(NamedTuple):
    """The parameters of one layer, or their gradient. Of mingru and minlstm the second and the last have no rows."""

    weight_ih: Array  # (G·H, D)
    weight_hh: Array  # (G·H, H)
    bias_ih: Array  # (G·H,)
    bias_hh: Array  # (G·H,)


def weights_of(views: Mapping[str, Array], hidden_size: int) -> Weights:
    """The parameters of one layer by their names, those that the cell does not have with no rows."""
    none = {"weight_hh": np.zeros((0, hidden_size)), "bias_hh": np.zeros(0)}
    return Weights(**none | dict(views))


class StepBack(NamedTuple):
    """The gradients that one step back computes."""

    d_input: Array  # (B, G·H), of W_ih x_t + b_ih
    d_recurrent: Array  # (B, G·H), of W_hh h_{t−1} + b_hh
    d_state: tuple[Array, ...]  # (B, H) each: of h_t, or of h_t and c_t, complete: from this step's loss and all later
    d_before: tuple[Mapping[str, Array], ...]  # (B, H) each: of h_{t−1}, or of h_{t−1} and c_{t−1}, for each path


def sigmoid(a: Array) -> Array:
    """σ(a), between 0 and 1."""
    return np.asarray(1 / (1 + np.exp(-a)))


# --- rnn: Elman 1990, "Finding Structure in Time" ---


@dataclass(frozen=True)
class RNNStep:
    """One step of the rnn."""

    x: Array  # (B, D)
    h_before: Array  # (B, H): h_{t−1}
    h: Array  # (B, H)

    @property
    def state(self) -> tuple[Array, ...]:
        """What the next step begins with."""
        return (self.h,)


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


# --- gru: Cho et al. 2014, "Learning Phrase Representations using RNN Encoder–Decoder"; r after the product ---


@dataclass(frozen=True)
class GRUStep:
    """One step of the gru."""

    x: Array  # (B, D)
    h_before: Array  # (B, H): h_{t−1}
    r: Array  # (B, H): the reset gate, how much of the old state the candidate sees
    z: Array  # (B, H): the update gate, how much of the old state stays
    m: Array  # (B, H): W_hn h_{t−1} + b_hn, what r acts on
    n: Array  # (B, H): the candidate for the new state
    h: Array  # (B, H)

    @property
    def state(self) -> tuple[Array, ...]:
        """What the next step begins with."""
        return (self.h,)


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


# --- lstm: Hochreiter & Schmidhuber 1997; Gers et al. 2000, "Learning to Forget" ---


@dataclass(frozen=True)
class LSTMStep:
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


# --- mingru: Feng et al. 2024, "Were RNNs All We Needed?"; no product with h₋₁ ---


@dataclass(frozen=True)
class MinGRUStep:
    """One step of the mingru."""

    x: Array  # (B, D)
    h_before: Array  # (B, H): h_{t−1}
    z: Array  # (B, H): the update gate, how much of the candidate replaces the old state
    n: Array  # (B, H): the candidate for the new state, which has no bounds
    h: Array  # (B, H)

    @property
    def state(self) -> tuple[Array, ...]:
        """What the next step begins with."""
        return (self.h,)


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


# --- minlstm: from the same paper ---


@dataclass(frozen=True)
class MinLSTMStep:
    """One step of the minlstm."""

    x: Array  # (B, D)
    h_before: Array  # (B, H): h_{t−1}
    f: Array  # (B, H): the forget gate
    i: Array  # (B, H): the input gate
    n: Array  # (B, H): the candidate for the new state, which has no bounds
    h: Array  # (B, H)

    @property
    def state(self) -> tuple[Array, ...]:
        """What the next step begins with."""
        return (self.h,)


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


# --- through time ---


class PlainCell(NamedTuple):
    """One step of a cell forward, and one back."""

    step: Callable[..., Any]
    step_back: Callable[..., StepBack]


PLAIN = {
    "rnn": PlainCell(rnn_step, rnn_step_back),
    "gru": PlainCell(gru_step, gru_step_back),
    "lstm": PlainCell(lstm_step, lstm_step_back),
    "mingru": PlainCell(mingru_step, mingru_step_back),
    "minlstm": PlainCell(minlstm_step, minlstm_step_back),
}


def forward(cell: PlainCell, weights: Weights, inputs: Array, state: tuple[Array, ...]) -> list[Any]:
    """Run over `inputs` (T, B, D) from `state`, (h,) or (h, c): the T steps, each with all that it computed."""
    steps: list[Any] = []
    for x in inputs:
        steps.append(cell.step(weights, x, *state))
        state = steps[-1].state
    return steps


class Gradients(NamedTuple):
    """The gradients that `backward` computes."""

    weights: Weights
    inputs: Array  # (T, B, D), of x_t
    states: list[tuple[Array, ...]]  # for each t, (B, H) each, of h_t, or of h_t and c_t
    before: tuple[Array, ...]  # (B, H) each, of the state before the first step


def backward(cell: PlainCell, weights: Weights, steps: list[Any], d_outputs: Array) -> Gradients:
    """Go back through time. `d_outputs` (T, B, H): the part of ∂ℓ/∂h_t that comes from the loss of step t itself."""
    gradient = Weights(*map(np.zeros_like, weights))
    d_inputs: list[Array] = []
    d_states: list[tuple[Array, ...]] = []
    d_later = tuple(np.zeros_like(part) for part in steps[-1].state)  # (B, H) each: no step comes after the last
    for step, d_output in zip(reversed(steps), reversed(d_outputs), strict=True):
        d_h = d_output + d_later[0]  # (B, H): from this step's own loss + from step t + 1
        back = cell.step_back(weights, step, d_h, *d_later[1:])
        d_states.insert(0, back.d_state)
        d_inputs.insert(0, back.d_input @ weights.weight_ih)  # (B, D)
        # All steps share the weights, so the gradient of a weight is a sum over the steps.
        gradient.weight_ih[...] += back.d_input.T @ step.x  # (G·H, D)
        gradient.weight_hh[...] += back.d_recurrent.T @ step.h_before  # (G·H, H)
        gradient.bias_ih[...] += back.d_input.sum(axis=0)  # (G·H,)
        gradient.bias_hh[...] += back.d_recurrent.sum(axis=0)  # (G·H,)
        d_later = tuple(sum(paths.values(), np.zeros_like(d_h)) for paths in back.d_before)  # (B, H) each
    return Gradients(gradient, np.array(d_inputs), d_states, d_later)
