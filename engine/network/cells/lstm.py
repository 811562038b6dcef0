"""Long short-term memory with a forget gate.

i, f, o = σ(W x + b + W_h h₋₁ + b_h), one each        g = tanh(W_ig x + b_ig + W_hg h₋₁ + b_hg)
c = f ∘ c₋₁ + i ∘ g        h = o ∘ tanh(c)

Hochreiter & Schmidhuber 1997, "Long Short-Term Memory"; Gers et al. 2000, "Learning to Forget". `plain/lstm.py` has it
step by step; here each NumPy call serves all sequences and many units, and no step allocates memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy import add, multiply, square, subtract, tanh

from engine import arrays
from engine.arrays import Array
from engine.network.cells.cell import Cell
from engine.network.cells.layer import Clamps, Observer, RecurrentLayer, hold
from engine.network.cells.tape import Layout, Sweep, Tape


@dataclass(frozen=True, slots=True)
class LSTMViews:
    """The numbers of one step, as views of the tape: (B, U) each, `gates` (4, B, U) and `sigmoids` (3, B, U)."""

    gates: Array  # i, f, o and g together
    sigmoids: Array  # i, f and o together
    i: Array
    f: Array
    o: Array
    g: Array
    c_before: Array
    c: Array
    tanh_c: Array
    fresh: Array  # h in contiguous memory, where it is computed
    hidden: Array  # h in the rows of `Tape.states`


class LSTMTape(Tape):
    """Keeps the gates (T, 4, B, U), c_{−1} … c_{T−1} (T+1, B, U) and tanh(c) (T, B, U)."""

    def __init__(self, layout: Layout, seq: int, batch: int, inputs: Array | None) -> None:
        super().__init__(layout, seq, batch, inputs)
        units, dtype = layout.units, layout.dtype
        self.gates: Array = arrays.zeros((seq, 4, batch, units), dtype)
        self.c: Array = arrays.zeros((seq + 1, batch, units), dtype)
        self.tanh_c: Array = arrays.zeros((seq, batch, units), dtype)
        self.product: Array = np.empty((batch, units), dtype)  # scratch
        self.slope: Array = np.empty((4, batch, units), dtype)  # scratch
        self.h_slope: Array = np.empty((batch, units), dtype)  # scratch
        self.entries = list(self.gates)  # W_ih x_t + b is written where the gates will be
        self.room = layout.room(self.gates)
        self.by_kind = {**dict(zip("ifog", self.gates.swapaxes(0, 1), strict=True)), "c": self.c[1:]}
        self.other_states = (self.c,)
        self.steps = [self._views(t) for t in range(seq)]

    def _views(self, t: int) -> LSTMViews:
        gates, states = self.gates[t], (self.fresh[t + 1], self.hidden[t + 1])
        i, f, o, g = gates
        return LSTMViews(gates, gates[:3], i, f, o, g, self.c[t], self.c[t + 1], self.tanh_c[t], *states)


class LSTMLayer(RecurrentLayer[LSTMTape]):
    """δ has the parts [i, f, o, g]: the sigmoids are neighbours, so that one call serves all three.

    The sweep writes δ_t over the four gates of step t: once δ_t is computed, nothing reads them again. Their memory is
    still in the cache, because they have just been read; memory of its own for δ would have to be fetched first.
    """

    cell: ClassVar[Cell] = Cell(
        gates=("i", "f", "g", "o"),
        delta=("i", "f", "o", "g"),
        sigmoids=("i", "f", "o"),
        states=("h", "c"),
        unbounded=("c",),
        forget_gate="f",
        tape_floats=6,
        delta_floats=0,
    )

    def new_tape(self, seq: int, batch: int, inputs: Array | None) -> LSTMTape:
        return LSTMTape(self, seq, batch, inputs)

    def forward(self, tape: LSTMTape, clamp: Clamps = ()) -> None:
        half, recurrent, i_times_g = self.half, tape.recurrent, tape.product
        for t, step in enumerate(tape.steps):
            gates, sigmoids, c, fresh = step.gates, step.sigmoids, step.c, step.fresh
            self.enter(tape, t)  # the gates hold W_ih x + b
            self.recur(tape, t)
            add(gates, recurrent, gates)
            # σ(a) = ½·tanh(½a) + ½, so that one tanh serves all four gates. The inner ½ is in the working matrices:
            # `sigmoids` holds ½a here.
            tanh(gates, gates)
            multiply(sigmoids, half, sigmoids)
            add(sigmoids, half, sigmoids)
            multiply(step.i, step.g, i_times_g)
            multiply(step.f, step.c_before, c)
            add(c, i_times_g, c)
            tanh(c, step.tanh_c)
            multiply(step.o, step.tanh_c, fresh)
            if clamp:
                hold(fresh, clamp)
            if fresh is not step.hidden:
                step.hidden[...] = fresh

    def backward(self, tape: LSTMTape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        one, direct = self.one, d_outputs[:, :, self.own]
        (d_hidden, d_c), spare, d_gates = sweep.d_states, sweep.scratch[0], sweep.step_delta
        d_i, d_f, d_o, d_g = d_gates
        slope, h_slope = tape.slope, tape.h_slope
        sigmoid_slope, g_slope = slope[:3], slope[3]
        d_hidden[...] = 0
        d_c[...] = 0
        for t in reversed(range(len(d_outputs))):
            step = tape.steps[t]
            sigmoids, tanh_c = step.sigmoids, step.tanh_c
            add(d_hidden, direct[t], d_hidden)
            # ∂h/∂c = o∘(1 − tanh²c) = o − h∘tanh c would save a pass but loses digits where tanh c is near ±1.
            square(tanh_c, h_slope)
            subtract(one, h_slope, h_slope)
            multiply(h_slope, step.o, h_slope)
            multiply(d_hidden, h_slope, spare)
            add(d_c, spare, d_c)
            multiply(d_c, step.g, d_i)
            multiply(d_c, step.c_before, d_f)
            multiply(d_hidden, tanh_c, d_o)
            multiply(d_c, step.i, d_g)
            subtract(one, sigmoids, sigmoid_slope)
            multiply(sigmoid_slope, sigmoids, sigmoid_slope)
            square(step.g, g_slope)
            subtract(one, g_slope, g_slope)
            multiply(d_c, step.f, spare)  # ∂ℓ/∂c₋₁: reads a gate for the last time, before δ overwrites the gates
            multiply(d_gates, slope, sweep.parts[t])
            if observe is not None:
                observe(t, (d_hidden, d_c), sweep.rows[t])
            d_c, spare = spare, d_c
            self.pass_back(sweep, t)
