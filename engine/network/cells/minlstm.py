"""The minimal LSTM: both gates and the candidate depend on x alone. `plain/minlstm.py` has it step by step.

f = σ(W_f x + b_f)        i = σ(W_i x + b_i)        n = W_n x + b_n
f′ = f / (f + i)          i′ = i / (f + i)          h = f′ ∘ h₋₁ + i′ ∘ n

Feng et al. 2024, "Were RNNs All We Needed?", arXiv 2410.01201, section 3.2; n is h̃ there. The gates are divided by
their sum, so that h neither grows nor shrinks with time; there is no c and no output gate.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy import add, divide, exp, minimum, multiply, subtract

from engine.arrays import Array
from engine.network.cells.cell import Cell
from engine.network.cells.scan import ScanLayer

STEEPEST = 80.0  # the largest −a that is not cut: exp of more overflows in float32, and f + i must not be 0


class MinLSTMLayer(ScanLayer):
    """δ has the parts [f, i, n]. The share s of the candidate that is taken is i′; f′ = 1 − i′.

    σ(a) = 1 / (1 + exp(−a)): unlike ½·tanh(½a) + ½ it is exact to its last digit where it is small, as i / (f + i)
    needs it. The gradient needs f − 1 and 1 − i instead of f and i:

    ∂i′/∂a_f = i′ f′ (f − 1)        ∂i′/∂a_i = i′ f′ (1 − i)
    """

    cell: ClassVar[Cell] = Cell(
        gates=("f", "i", "n"),
        delta=("f", "i", "n"),
        sigmoids=("f", "i"),
        unbounded=("h", "n"),
        recurrent=False,
        forget_gate="f",
        tape_floats=5,
        delta_floats=3,
    )
    PARTS = ("f", "i", "n", "share")
    TAKEN = 3
    COMPLEMENTS = ("f", "i")
    SCALE = -1.0

    def activate(self, parts: Array, spare: Array) -> None:
        sigmoids, (f, i, _, share) = parts[:2], parts
        if sigmoids.max(initial=0) > STEEPEST:
            minimum(sigmoids, np.array(STEEPEST, self.dtype), out=sigmoids)
        exp(sigmoids, sigmoids)  # exp(−a) = 1/f − 1, and 1/i − 1
        subtract(-self.one, f, spare)  # −1/f
        add(i, self.one, share)  # 1/i
        divide(f, spare, f)  # f − 1
        divide(i, share, i)  # 1 − i
        subtract(spare, share, share)
        divide(spare, share, share)  # i / (f + i) = 1/f / (1/f + 1/i)

    def gate_gradients(self, parts: Array, keep: Array, d_share: Array, delta: Array) -> None:
        size = self.hidden_size
        multiply(d_share, keep, d_share)
        multiply(d_share, parts[0], delta[:, :, :size])
        multiply(d_share, parts[1], delta[:, :, size : 2 * size])
