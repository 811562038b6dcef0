"""The plain (Elman) recurrent cell: h_t = tanh(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh)."""

from __future__ import annotations

import numpy as np

from engine.cells.layer import Clamps, Layer, Observer, Sweep, Tape, hold
from engine.parameters import Array, Parameters


class RNNLayer(Layer):
    """δ_t = ∂ℓ/∂h_t ∘ (1 − h_t²);  ∂ℓ/∂h_{t−1} gets W_hhᵀ δ_t."""

    gate_count = 1
    delta_blocks = 1
    input_order = (0,)
    recurrent_order = (0,)

    def __init__(self, parameters: Parameters, index: int, input_size: int) -> None:
        super().__init__(parameters, index, input_size)
        self.weight: Array = np.zeros((self.hidden_size, input_size + 1 + self.hidden_size), self.dtype)

    def fuse(self, weight_hh: Array) -> None:
        width = self.input_size + 1
        self.weight[:, :width] = self.weight_input
        self.weight[:, width:] = weight_hh[0]

    def forward(self, tape: Tape, clamp: Clamps = ()) -> None:
        inside = np.empty((self.hidden_size, tape.batch), self.dtype)
        for stacked, hidden, output in zip(tape.columns, tape.hidden[1:], tape.outputs[1:], strict=True):
            np.dot(self.weight, stacked, out=inside)
            np.tanh(inside, out=hidden)
            if clamp:
                hold(hidden, clamp)
            np.copyto(output, hidden)

    def backward(self, tape: Tape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        d_hidden, delta = sweep.d_hidden, sweep.step_delta
        slope = np.empty((self.hidden_size, tape.batch), self.dtype)
        d_hidden[...] = 0
        for t in reversed(range(d_outputs.shape[1])):
            hidden = tape.hidden[t + 1]
            np.add(d_hidden, d_outputs[:, t], out=d_hidden)
            np.multiply(hidden, hidden, out=slope)
            np.subtract(1, slope, out=slope)
            np.multiply(d_hidden, slope, out=delta)
            if observe is not None:
                observe(t, d_hidden, None, delta)
            sweep.keep(t)
            np.dot(self.weight_back, delta, out=d_hidden)
