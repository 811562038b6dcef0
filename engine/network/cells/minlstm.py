"""The minimal LSTM: both gates and the candidate depend on x alone. `plain/minlstm.py` has it step by step.

f = σ(W_f x + b_f)        i = σ(W_i x + b_i)        n = W_n x + b_n
f′ = f / (f + i)          i′ = i / (f + i)          h = f′ ∘ h₋₁ + i′ ∘ n

Feng et al. 2024, "Were RNNs All We Needed?", arXiv 2410.01201, section 3.2; n is h̃ there. The gates are divided by
their sum, so that h neither grows nor shrinks with time; there is no c and no output gate.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy import add, divide, exp, minimum, multiply, reciprocal, subtract

from engine import arrays
from engine.arrays import Array
from engine.network.cells.cell import Cell
from engine.network.cells.layer import Clamps, Observer, hold
from engine.network.cells.scan import ScanLayer, ScanTape
from engine.network.cells.tape import Layout, Sweep

STEEPEST = 80.0  # the largest −a that is not cut: exp of more overflows in float32, and f + i must not be 0


class MinLSTMTape(ScanTape):
    """Keeps also f′ of all steps, in `keep` (T, B, H)."""

    def __init__(self, layout: Layout, seq: int, batch: int, inputs: Array | None, cell: Cell) -> None:
        super().__init__(layout, seq, batch, inputs, cell)
        self.keep: Array = arrays.zeros((seq, batch, layout.hidden_size), layout.dtype)


class MinLSTMLayer(ScanLayer[MinLSTMTape]):
    """δ has the parts [f, i, n]. In training it lies where the gates were: the step that is swept needs them no longer.

    With d = ∂ℓ/∂h ∘ (h₋₁ − n) ∘ f′ ∘ i′, the parts are d ∘ (1 − f), −d ∘ (1 − i) and ∂ℓ/∂h ∘ i′.
    """

    cell: ClassVar[Cell] = Cell(
        gates=("f", "i", "n"),
        delta=("f", "i", "n"),
        sigmoids=("f", "i"),
        unbounded=("h", "n"),
        recurrent=False,
        forget_gate="f",
        tape_floats=4,
        delta_floats=0,
    )
    # σ(a) = 1 / (1 + exp(−a)): unlike ½·tanh(½a) + ½ it is exact to its last digit where it is small, as f / (f + i)
    # needs it.
    SCALE: ClassVar[float] = -1.0

    def new_tape(self, seq: int, batch: int, inputs: Array | None) -> MinLSTMTape:
        return MinLSTMTape(self, seq, batch, inputs, self.cell)

    def forward(self, tape: MinLSTMTape, clamp: Clamps = ()) -> None:
        steepest: Array = np.array(STEEPEST, self.dtype)
        self.enter(tape)
        for t, (f, i, n) in enumerate(tape.gate_steps):
            h_before, h, keep, sigmoids = tape.h_steps[t], tape.h_steps[t + 1], tape.keep[t], tape.sigmoid_steps[t]
            minimum(sigmoids, steepest, out=sigmoids)
            exp(sigmoids, sigmoids)
            add(sigmoids, self.one, sigmoids)
            reciprocal(sigmoids, sigmoids)
            add(f, i, keep)
            divide(f, keep, keep)
            subtract(h_before, n, h)  # h = n + f′ ∘ (h₋₁ − n)
            multiply(h, keep, h)
            add(h, n, h)
            if clamp:
                hold(tape.hidden[t + 1], clamp)

    def backward(self, tape: MinLSTMTape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        one, d_h, d_keep, size = self.one, sweep.d_hidden[0], sweep.scratch[0], self.hidden_size
        take = sweep.step_delta[0]
        d_h[...] = 0
        for t in reversed(range(len(d_outputs))):
            f, i, n = tape.gate_steps[t]
            keep, delta = tape.keep[t], sweep.rows[t]
            # In training these are f, i and n: read first, then written.
            d_f, d_i, d_n = delta[:, :size], delta[:, size : 2 * size], delta[:, 2 * size :]
            add(d_h, d_outputs[t], d_h)
            subtract(tape.h_steps[t], n, d_keep)
            multiply(d_keep, d_h, d_keep)  # ∂ℓ/∂f′
            subtract(one, keep, take)  # i′
            multiply(d_h, take, d_n)
            multiply(take, keep, take)
            multiply(d_keep, take, d_keep)  # d
            subtract(one, f, d_f)
            multiply(d_f, d_keep, d_f)
            subtract(i, one, d_i)
            multiply(d_i, d_keep, d_i)
            if observe is not None:
                observe(t, (d_h,), delta)
            multiply(d_h, keep, d_h)
