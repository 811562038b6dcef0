"""The minimal GRU: the update gate and the candidate depend on x alone. `plain/mingru.py` has it step by step.

z = σ(W_z x + b_z)        n = W_n x + b_n        h = (1 − z) ∘ h₋₁ + z ∘ n

Feng et al. 2024, "Were RNNs All We Needed?", arXiv 2410.01201, section 3.1; n is h̃ there. z is 1 where the new value
replaces the old one: the other way round than in the GRU.
"""

from __future__ import annotations

from typing import ClassVar

from numpy import add, multiply, subtract, tanh

from engine.arrays import Array
from engine.network.cells.cell import Cell
from engine.network.cells.layer import Clamps, Observer, hold
from engine.network.cells.scan import ScanLayer, ScanTape
from engine.network.cells.tape import Sweep


class MinGRULayer(ScanLayer[ScanTape]):
    """δ has the parts [z, n]. In training it lies where the gates were: the step that is swept needs them no longer."""

    cell: ClassVar[Cell] = Cell(
        gates=("z", "n"),
        delta=("z", "n"),
        sigmoids=("z",),
        unbounded=("h", "n"),
        recurrent=False,
        tape_floats=2,
        delta_floats=0,
    )
    SCALE: ClassVar[float] = 0.5  # σ(a) = ½·tanh(½a) + ½, and NumPy's tanh is several times faster than its exp

    def new_tape(self, seq: int, batch: int, inputs: Array | None) -> ScanTape:
        return ScanTape(self, seq, batch, inputs, self.cell)

    def forward(self, tape: ScanTape, clamp: Clamps = ()) -> None:
        half = self.half
        self.enter(tape)
        for t, (z, n) in enumerate(tape.gate_steps):
            h_before, h = tape.h_steps[t], tape.h_steps[t + 1]
            tanh(z, z)
            multiply(z, half, z)
            add(z, half, z)
            subtract(n, h_before, h)  # h = h₋₁ + z ∘ (n − h₋₁)
            multiply(h, z, h)
            add(h, h_before, h)
            if clamp:
                hold(tape.hidden[t + 1], clamp)

    def backward(self, tape: ScanTape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        one, d_h, difference, size = self.one, sweep.d_hidden[0], sweep.scratch[0], self.hidden_size
        d_h[...] = 0
        for t in reversed(range(len(d_outputs))):
            z, n = tape.gate_steps[t]
            delta = sweep.rows[t]
            d_z, d_n = delta[:, :size], delta[:, size:]  # in training these are z and n: read first, then written
            add(d_h, d_outputs[t], d_h)
            subtract(n, tape.h_steps[t], difference)
            multiply(difference, d_h, difference)  # ∂ℓ/∂z
            multiply(d_h, z, d_n)
            multiply(difference, z, difference)
            subtract(one, z, d_z)
            multiply(d_z, difference, d_z)  # ∂ℓ/∂z ∘ z ∘ (1 − z)
            if observe is not None:
                observe(t, (d_h,), delta)
            subtract(d_h, d_n, d_h)  # ∂ℓ/∂h₋₁ = ∂ℓ/∂h ∘ (1 − z)
