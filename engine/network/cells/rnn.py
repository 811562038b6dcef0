"""The plain (Elman) recurrent cell: h_t = tanh(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh)."""

from __future__ import annotations

import numpy as np
from numpy import add, matmul, multiply, square, subtract, tanh

from engine import arrays
from engine.arrays import Array
from engine.network.cells.layer import Clamps, Layer, Observer, hold
from engine.network.cells.tape import TOGETHER, Sweep, Tape


class RNNTape(Tape):
    """Also keeps h (T, n, B, w) as it is computed and read fastest: where there is one block, in its place."""

    def __init__(self, layer: Layer, seq: int, batch: int, inputs: Array | None) -> None:
        super().__init__(layer, seq, batch, inputs)
        shape = (seq, layer.blocks, batch, layer.width)
        self.activations: Array = self.outputs.reshape(shape) if layer.blocks == 1 else arrays.zeros(shape, layer.dtype)
        self.entries = list(self.activations)
        self.slopes: Array = np.empty((min(TOGETHER, seq), *shape[1:]), layer.dtype)


class RNNLayer(Layer):
    """δ_t = ∂ℓ/∂h_t ∘ (1 − h_t²);  ∂ℓ/∂h_{t−1} gets W_hhᵀ δ_t."""

    tape_type = RNNTape
    gate_count = 1
    delta_blocks = 1
    input_order = (0,)
    recurrent_order = (0,)

    def forward(self, tape: Tape, clamp: Clamps = ()) -> None:
        assert isinstance(tape, RNNTape)
        for t, own in enumerate(tape.entries):
            self.enter(tape, t)
            matmul(tape.states[t], self.weight, tape.recurrent)
            add(own, tape.recurrent, own)
            tanh(own, own)
            if clamp:
                hold(own, clamp)
            if self.blocks > 1:
                np.copyto(tape.hidden[t + 1], own)

    def backward(self, tape: Tape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        assert isinstance(tape, RNNTape)
        d_hidden, direct, slopes = sweep.d_hidden, self.in_blocks(d_outputs), tape.slopes
        d_hidden[...] = 0
        for t in reversed(range(len(d_outputs))):
            place = t % TOGETHER
            if place == TOGETHER - 1 or t == len(d_outputs) - 1:
                some = slopes[: place + 1]
                square(tape.activations[t - place : t + 1], some)
                subtract(self.one, some, some)
            add(d_hidden, direct[t], d_hidden)
            delta = sweep.blocks[t] if self.blocks == 1 else sweep.step_delta
            multiply(d_hidden, slopes[place], delta)
            if self.blocks > 1:
                np.copyto(sweep.blocks[t], delta)
            if observe is not None:
                observe(t, self.in_rows(d_hidden), None, sweep.rows[t])
            self.pass_back(sweep, t)
