"""The plain (Elman) recurrent cell: h_t = tanh(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh)."""

from __future__ import annotations

import numpy as np

from engine import pages
from engine.cells.layer import Clamps, Layer, Observer, hold
from engine.cells.tape import Sweep, Tape
from engine.parameters import Array


class RNNTape(Tape):
    """Also keeps h (T, H, B) of the own units as it is read fastest on the way back."""

    def __init__(self, layer: Layer, seq: int, batch: int) -> None:
        super().__init__(layer, seq, batch)
        self.activations: Array = pages.zeros((seq, layer.size, batch), layer.dtype)
        self.scratch: Array = np.empty((layer.size, batch), layer.dtype)


class RNNLayer(Layer):
    """δ_t = ∂ℓ/∂h_t ∘ (1 − h_t²);  ∂ℓ/∂h_{t−1} gets W_hhᵀ δ_t."""

    tape_type = RNNTape
    gate_count = 1
    forward_blocks = 1
    delta_blocks = 1
    input_order = (0,)
    recurrent_order = (0,)

    def fuse(self, weight_hh: Array) -> None:
        width = self.input_size + 1
        self.weight[:, :width] = self.weight_input
        self.weight[:, width:] = weight_hh[0]

    def forward(self, tape: Tape, clamp: Clamps = ()) -> None:
        assert isinstance(tape, RNNTape)
        inside = tape.scratch
        in_blocks = inside.reshape(tape.blocks, -1, tape.batch)
        for stacked, own, hidden in zip(tape.columns, tape.activations, tape.hidden[1:], strict=True):
            np.matmul(tape.weight, stacked, out=in_blocks)
            np.tanh(inside, out=own)
            if clamp:
                hold(own, clamp)
            np.copyto(hidden, own)
            self.team.meet()

    def backward(self, tape: Tape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        assert isinstance(tape, RNNTape)
        d_hidden, slope = sweep.d_hidden, tape.scratch
        weight_back = self.back_in_blocks(sweep)
        d_hidden[...] = 0
        for t in reversed(range(len(d_outputs))):
            delta = sweep.steps[t]
            np.add(d_hidden, d_outputs[t], out=d_hidden)
            np.square(tape.activations[t], out=slope)
            np.subtract(self.one, slope, out=slope)
            np.multiply(d_hidden, slope, out=delta)
            if observe is not None:
                observe(t, d_hidden, None, delta)
            self.pass_back(sweep, t, weight_back, delta)
