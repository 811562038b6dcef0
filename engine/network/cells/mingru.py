"""The minimal GRU: the update gate and the candidate depend on x alone. `plain/mingru.py` has it step by step.

z = σ(W_z x + b_z)        n = W_n x + b_n        h = (1 − z) ∘ h₋₁ + z ∘ n

Feng et al. 2024, "Were RNNs All We Needed?", arXiv 2410.01201, section 3.1; n is h̃ there. z is 1 where the new value
replaces the old one: the other way round than in the GRU.
"""

from __future__ import annotations

from typing import ClassVar

from numpy import add, multiply, tanh

from engine.arrays import Array
from engine.network.cells.cell import Cell
from engine.network.cells.scan import ScanLayer


class MinGRULayer(ScanLayer):
    """δ has the parts [z, n]. The share s of the candidate that is taken is z itself."""

    cell: ClassVar[Cell] = Cell(
        gates=("z", "n"),
        delta=("z", "n"),
        sigmoids=("z",),
        unbounded=("h", "n"),
        recurrent=False,
        tape_floats=3,
        delta_floats=2,
    )
    PARTS = ("z", "n")
    TAKEN = 0
    SCALE = 0.5  # σ(a) = ½·tanh(½a) + ½, and NumPy's tanh is faster than its exp

    def activate(self, parts: Array, spare: Array) -> None:
        z = parts[0]
        tanh(z, z)
        multiply(z, self.half, z)
        add(z, self.half, z)

    def gate_gradients(self, parts: Array, keep: Array, d_share: Array, delta: Array) -> None:
        multiply(d_share, keep, delta[:, :, : self.hidden_size])
