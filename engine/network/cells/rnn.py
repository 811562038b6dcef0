"""The plain (Elman) recurrent cell: h_t = tanh(W_ih x_t + b_ih + W_hh h_{t−1} + b_hh).

Elman 1990, "Finding Structure in Time". `plain/rnn.py` has it step by step.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy import add, multiply, square, subtract, tanh

from engine import arrays
from engine.arrays import Array
from engine.network.cells.cell import Cell
from engine.network.cells.layer import Clamps, Observer, RecurrentLayer, hold
from engine.network.cells.tape import Layout, Sweep, Tape

TOGETHER = 5  # steps for which 1 − h² is computed in one call; the result of more steps would not stay in the cache


class RNNTape(Tape):
    """Keeps `h` (T, B, U): the outputs, or a copy of them if this process has some units only."""

    def __init__(self, layout: Layout, seq: int, batch: int, inputs: Array | None) -> None:
        super().__init__(layout, seq, batch, inputs)
        dtype, units = layout.dtype, layout.units
        self.h: Array = arrays.zeros((seq, batch, units), dtype) if layout.divided else self.outputs
        self.slopes: Array = np.empty((min(TOGETHER, seq), batch, units), dtype)
        self.entries = list(self.h[:, None])  # W_ih x_t + b is written where h_t will be


class RNNLayer(RecurrentLayer[RNNTape]):
    """δ_t = ∂ℓ/∂h_t ∘ (1 − h_t²), of which ∂ℓ/∂h_{t−1} gets W_hhᵀ δ_t.

    δ has memory of its own. The tape keeps nothing but h, and ∂ℓ/∂W_hh still needs h when δ is known.
    """

    # `tape_floats` leaves out the copy of h of processes that divide the units: together they have it once.
    cell: ClassVar[Cell] = Cell(gates=("h",), delta=("h",), tape_floats=0, delta_floats=1)

    def new_tape(self, seq: int, batch: int, inputs: Array | None) -> RNNTape:
        return RNNTape(self, seq, batch, inputs)

    def forward(self, tape: RNNTape, clamp: Clamps = ()) -> None:
        (recurrent,) = tape.recurrent
        for t, h in enumerate(tape.h):
            self.enter(tape, t)
            self.recur(tape, t)
            add(h, recurrent, h)
            tanh(h, h)
            if clamp:
                hold(h, clamp)
            if self.divided:
                np.copyto(tape.hidden[t + 1], h)

    def backward(self, tape: RNNTape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        d_hidden, direct, slopes = sweep.d_hidden, d_outputs[:, :, self.own], tape.slopes
        d_hidden[...] = 0
        for t in reversed(range(len(d_outputs))):
            place = t % TOGETHER
            if place == TOGETHER - 1 or t == len(d_outputs) - 1:  # the slopes of this step and of those before it
                some = slopes[: place + 1]
                square(tape.h[t - place : t + 1], some)
                subtract(self.one, some, some)
            add(d_hidden, direct[t], d_hidden)
            multiply(d_hidden, slopes[place], sweep.parts[t][0])
            if observe is not None:
                observe(t, (d_hidden,), sweep.rows[t])
            self.pass_back(sweep, t)
