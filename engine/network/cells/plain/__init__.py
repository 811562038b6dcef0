"""The cells to read first: every cell forward, backward and in small changes, one line an equation.

A file here has one cell, in three functions. `step` computes a time step. `step_back` goes back through it: from the
gradient of the loss with respect to the new state to that of everything before. `tangent` goes the other way: from a
small change of what came in to the change of the new state. `forward` and `backward` below go through all time steps.
The cells that train have files of these names one room up. They are faster and harder to read; tests compare the two.

B sequences run side by side through a layer with D inputs and H hidden units. An array has one row for each sequence,
so that the textbook's W x is `x @ W.T` here. G is the number of gates. The weights of all gates lie in one array, H
rows for each gate, in PyTorch's order. ∘ multiplies element by element: `*`.

On the way back, `d_y` is ∂ℓ/∂y, in the shape of y. These cases of the chain rule are used:

    y = a ∘ b          d_a = d_y ∘ b,  d_b = d_y ∘ a
    y = a + b          d_a = d_y,      d_b = d_y
    y = 1 − a          d_a = −d_y
    y = σ(a)           d_a = d_y ∘ y ∘ (1 − y)
    y = tanh(a)        d_a = d_y ∘ (1 − y²)
    y = x Wᵀ + b       d_x = d_y W,    d_W = d_yᵀ x,    d_b = d_y summed over its rows

What stands in several places gets the sum of what each place gives it.

In a `tangent`, `d_y` is the change of y. K changes are followed side by side, one in each row: `from_x` (K, G·H) is
that of W_ih x + b_ih, `d_h` and `d_c` (K, H) are those of h_{t−1} and c_{t−1}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from engine.arrays import Array
from engine.network.cells.plain.gru import gru_step, gru_step_back, gru_tangent
from engine.network.cells.plain.lstm import lstm_step, lstm_step_back, lstm_tangent
from engine.network.cells.plain.mingru import mingru_step, mingru_step_back, mingru_tangent
from engine.network.cells.plain.minlstm import minlstm_step, minlstm_step_back, minlstm_tangent
from engine.network.cells.plain.rnn import rnn_step, rnn_step_back, rnn_tangent
from engine.network.cells.plain.step import StepBack, Weights


class PlainCell(NamedTuple):
    """The equations of a cell."""

    step: Callable[..., Any]
    step_back: Callable[..., StepBack]
    tangent: Callable[..., tuple[Array, ...]]


PLAIN = {
    "rnn": PlainCell(rnn_step, rnn_step_back, rnn_tangent),
    "gru": PlainCell(gru_step, gru_step_back, gru_tangent),
    "lstm": PlainCell(lstm_step, lstm_step_back, lstm_tangent),
    "mingru": PlainCell(mingru_step, mingru_step_back, mingru_tangent),
    "minlstm": PlainCell(minlstm_step, minlstm_step_back, minlstm_tangent),
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


def changes(
    cell: PlainCell, weights: Weights, step: Any, d_x: Array | None, d_before: tuple[Array, ...]
) -> tuple[Array, ...]:
    """The changes (K, H) of the state after `step`, if x changes by `d_x` (K, D) and the state before by `d_before`.

    None for `d_x` is no change of x. The state is (h,) or (h, c). `step` has K rows, or one for all.
    """
    none = np.zeros((len(d_before[0]), len(weights.weight_ih)), d_before[0].dtype)
    return cell.tangent(weights, step, none if d_x is None else d_x @ weights.weight_ih.T, *d_before)
