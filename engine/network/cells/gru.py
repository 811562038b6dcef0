"""The gated recurrent unit, as PyTorch and cuDNN have it: the reset gate acts after the recurrent product.

r = σ(W_ir x + b_ir + W_hr h₋₁ + b_hr)        z = σ(W_iz x + b_iz + W_hz h₋₁ + b_hz)
n = tanh(W_in x + b_in + r ∘ (W_hn h₋₁ + b_hn))        h = (1 − z) ∘ n + z ∘ h₋₁

Cho et al. 2014, "Learning Phrase Representations using RNN Encoder–Decoder". `plain/gru.py` has it step by step; here
each NumPy call serves all sequences and many units, and no step allocates memory.
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
class GRUViews:
    """The numbers of one step, as views of the tape: (B, U) each, and those of two or three gates together."""

    m: Array  # W_hn h₋₁ + b_hn, on which r acts
    sigmoids: Array  # r and z together, (2, B, U)
    r: Array
    z: Array
    n: Array
    difference: Array  # h₋₁ − n
    fresh_before: Array  # h₋₁ in contiguous memory
    fresh: Array  # h in contiguous memory, where it is computed; with some units only over h₋₁, which is read before
    hidden: Array  # h in the rows of `Tape.states`


class GRUTape(Tape):
    """Keeps m, r, z and n of all steps in `gates` (T, 4, B, U), and h₋₁ − n in `difference` (T, B, U)."""

    def __init__(self, layout: Layout, seq: int, batch: int, inputs: Array | None) -> None:
        super().__init__(layout, seq, batch, inputs)
        units, dtype = layout.units, layout.dtype
        self.gates: Array = arrays.zeros((seq, 4, batch, units), dtype)
        self.difference: Array = arrays.zeros((seq, batch, units), dtype)
        self.slope: Array = np.empty((2, batch, units), dtype)  # scratch, for r and z or for n
        self.bias_hn: Array = np.empty((batch, units), dtype)  # repeated for each sequence
        self.entries = list(self.gates[:, 1:])  # W_ih x_t + b is written where r, z and n will be
        self.room = layout.room(self.gates)
        self.by_kind = dict(zip("rzn", self.gates.swapaxes(0, 1)[1:], strict=True))
        self.steps = [self._views(t) for t in range(seq)]

    def _views(self, t: int) -> GRUViews:
        m, r, z, n = self.gates[t]
        states = self.fresh[t], self.fresh[t + 1], self.hidden[t + 1]
        return GRUViews(m, self.gates[t, 1:3], r, z, n, self.difference[t], *states)


class GRULayer(RecurrentLayer[GRUTape]):
    """δ has the parts [m, r, z, n]. The first three are the gradient of W_hh h₋₁, the last three that of W_ih x.

    The sweep writes δ_t over m, r, z and n of step t: once δ_t is computed, nothing reads them again. Their memory is
    still in the cache, because they have just been read; memory of its own for δ would have to be fetched first.
    """

    cell: ClassVar[Cell] = Cell(
        gates=("r", "z", "n"), delta=("n", "r", "z", "n"), sigmoids=("r", "z"), tape_floats=5, delta_floats=0
    )

    def input_bias(self) -> Array:
        """The bias that is added to W_ih x, (G, H). For n it is only `bias_ih`, because r acts on n's `bias_hh`."""
        bias = super().input_bias()
        bias[2] = self.by_gate("bias_ih")[2]
        return bias

    def new_tape(self, seq: int, batch: int, inputs: Array | None) -> GRUTape:
        return GRUTape(self, seq, batch, inputs)

    def forward(self, tape: GRUTape, clamp: Clamps = ()) -> None:
        half, let_through = self.half, tape.slope[0]
        m_product, sigmoid_products = tape.recurrent[0], tape.recurrent[1:]
        np.copyto(tape.bias_hn, self.by_gate("bias_hh")[2][self.own])
        np.copyto(tape.fresh[0], tape.hidden[0])
        for t, step in enumerate(tape.steps):
            n, fresh, sigmoids = step.n, step.fresh, step.sigmoids
            self.enter(tape, t)  # r, z and n hold W_ih x + b
            self.recur(tape, t)
            add(m_product, tape.bias_hn, step.m)
            # σ(a) = ½·tanh(½a) + ½. The inner ½ is in the working matrices: `sigmoids` holds ½a here.
            add(sigmoids, sigmoid_products, sigmoids)
            tanh(sigmoids, sigmoids)
            multiply(sigmoids, half, sigmoids)
            add(sigmoids, half, sigmoids)
            multiply(step.m, step.r, let_through)
            add(n, let_through, n)
            tanh(n, n)
            # h = n + z ∘ (h₋₁ − n): one product fewer than (1 − z) ∘ n + z ∘ h₋₁, and the sweep needs h₋₁ − n.
            subtract(step.fresh_before, n, step.difference)
            multiply(step.z, step.difference, fresh)
            add(fresh, n, fresh)
            if clamp:
                hold(fresh, clamp)
            if fresh is not step.hidden:
                step.hidden[...] = fresh

    def backward(self, tape: GRUTape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        one, d_hidden, straight, direct = self.one, sweep.d_hidden, sweep.scratch[0], d_outputs[:, :, self.own]
        delta = sweep.step_delta
        d_m, d_r, d_z, d_n = delta
        d_sigmoids = delta[1:3]
        slope, n_slope = tape.slope, tape.slope[0]
        d_hidden[...] = 0
        for t in reversed(range(len(d_outputs))):
            step = tape.steps[t]
            sigmoids = step.sigmoids
            add(d_hidden, direct[t], d_hidden)
            multiply(d_hidden, step.z, straight)  # the part of ∂ℓ/∂h₋₁ that goes through no weight
            subtract(d_hidden, straight, d_n)  # ∂ℓ/∂n = ∂ℓ/∂h ∘ (1 − z)
            square(step.n, n_slope)
            subtract(one, n_slope, n_slope)
            multiply(d_n, n_slope, d_n)
            multiply(d_n, step.r, d_m)
            multiply(d_n, step.m, d_r)
            multiply(d_hidden, step.difference, d_z)
            subtract(one, sigmoids, slope)
            multiply(slope, sigmoids, slope)
            multiply(d_sigmoids, slope, d_sigmoids)
            sweep.parts[t][...] = delta  # in training this overwrites the gates of step t, which have all been read
            if observe is not None:
                observe(t, (d_hidden,), sweep.rows[t])
            self.pass_back(sweep, t)
            add(d_hidden, straight, d_hidden)
