"""The plain (Elman) recurrent cell: h_t = tanh(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh)."""

from __future__ import annotations

import numpy as np
from numpy import add, matmul, multiply, square, subtract, tanh

from engine import pages
from engine.cells.layer import Clamps, Layer, Observer, hold
from engine.cells.tape import Sweep, Tape
from engine.parameters import Array


class RNNTape(Tape):
    """Also keeps h (T, n, B, w) of the own units as it is read fastest on the way back."""

    def __init__(self, layer: Layer, seq: int, batch: int, inputs: Array | None) -> None:
        super().__init__(layer, seq, batch, inputs)
        self.activations: Array = pages.zeros((seq, layer.blocks, batch, layer.width), layer.dtype)
        self.scratch: Array = np.empty_like(self.recurrent)
        self.entries = list(self.activations)


class RNNLayer(Layer):
    """δ_t = ∂ℓ/∂h_t ∘ (1 − h_t²);  ∂ℓ/∂h_{t−1} gets W_hhᵀ δ_t."""

    tape_type = RNNTape
    gate_count = 1
    delta_blocks = 1
    input_order = (0,)
    recurrent_order = (0,)

    def forward(self, tape: Tape, clamp: Clamps = ()) -> None:
        assert isinstance(tape, RNNTape)
        for t, own in enumerate(tape.activations):
            self.enter(tape, t)
            matmul(tape.states[t], self.weight, tape.recurrent)
            add(own, tape.recurrent, own)
            tanh(own, own)
            if clamp:
                hold(own, clamp)
            np.copyto(tape.hidden[t + 1], own)
            self.team.meet()

    def backward(self, tape: Tape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        assert isinstance(tape, RNNTape)
        d_hidden, delta, slope, direct = sweep.d_hidden, sweep.step_delta, tape.scratch, self.in_blocks(d_outputs)
        d_hidden[...] = 0
        for t in reversed(range(len(d_outputs))):
            add(d_hidden, direct[t], d_hidden)
            square(tape.activations[t], slope)
            subtract(self.one, slope, slope)
            multiply(d_hidden, slope, delta)
            np.copyto(sweep.blocks[t], delta)
            if observe is not None:
                observe(t, self.in_rows(d_hidden), None, sweep.rows[t])
            self.pass_back(sweep, t)
