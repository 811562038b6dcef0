"""The plain (Elman) recurrent cell: h_t = tanh(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh)."""

from __future__ import annotations

import numpy as np

from engine.cells.layer import Clamps, Layer, Observer, Sweep, Tape, hold
from engine.parameters import Array, Parameters
from engine.team import ALONE, Team


class RNNLayer(Layer):
    """δ_t = ∂ℓ/∂h_t ∘ (1 − h_t²);  ∂ℓ/∂h_{t−1} gets W_hhᵀ δ_t."""

    gate_count = 1
    delta_blocks = 1
    input_order = (0,)
    recurrent_order = (0,)

    def __init__(self, parameters: Parameters, index: int, input_size: int, team: Team = ALONE) -> None:
        super().__init__(parameters, index, input_size, team)
        self.weight: Array = np.zeros((self.size, input_size + 1 + self.hidden_size), self.dtype)

    def fuse(self, weight_hh: Array) -> None:
        width = self.input_size + 1
        self.weight[:, :width] = self.weight_input
        self.weight[:, width:] = weight_hh[0]

    def forward(self, tape: Tape, clamp: Clamps = ()) -> None:
        inside = np.empty((self.size, tape.batch), self.dtype)
        for stacked, hidden in zip(tape.columns, tape.hidden[1:], strict=True):
            np.matmul(self.weight, stacked, out=inside)
            np.tanh(inside, out=hidden)
            if clamp:
                hold(hidden, clamp)
            self.team.meet()

    def backward(self, tape: Tape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        d_hidden = sweep.d_hidden
        slope = np.empty((self.size, tape.batch), self.dtype)
        d_hidden[...] = 0
        for t in reversed(range(d_outputs.shape[1])):
            delta = sweep.steps[t]
            np.add(d_hidden, d_outputs[:, t], out=d_hidden)
            np.square(tape.hidden[t + 1], out=slope)
            np.subtract(self.one, slope, out=slope)
            np.multiply(d_hidden, slope, out=delta)
            if observe is not None:
                observe(t, d_hidden, None, delta)
            self.pass_back(sweep, t, delta)
