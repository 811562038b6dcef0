"""The gated recurrent unit, as PyTorch and cuDNN have it: the reset gate acts after the recurrent product.

r = σ(W_ir x + b_ir + W_hr h₋₁ + b_hr)        z = σ(W_iz x + b_iz + W_hz h₋₁ + b_hz)
n = tanh(W_in x + b_in + r ∘ (W_hn h₋₁ + b_hn))        h = (1 − z) ∘ n + z ∘ h₋₁

Cho et al. 2014, "Learning Phrase Representations using RNN Encoder–Decoder".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import add, matmul, multiply, square, subtract, tanh

from engine import arrays
from engine.arrays import Array
from engine.network.cells.layer import Clamps, Layer, Observer, hold
from engine.network.cells.tape import Sweep, Tape


class Step(NamedTuple):
    """Views of one step's blocks [W_hn h₋₁ + b_hn; r; z; n] and of what follows from them, (n, B, w) for each."""

    recurrent: Array  # W_hn h₋₁ + b_hn, which r lets through
    sigmoids: Array  # r and z
    r: Array
    z: Array
    n: Array
    difference: Array  # h₋₁ − n
    before: Array  # h₋₁, where it was computed
    fresh: Array  # where h is computed, and
    hidden: Array  # where it belongs


class GRUTape(Tape):
    """Also keeps W_hn h₋₁ + b_hn, r, z and n (T, 4n, B, w), and h₋₁ − n (T, n, B, w)."""

    def __init__(self, layer: Layer, seq: int, batch: int, inputs: Array | None) -> None:
        super().__init__(layer, seq, batch, inputs)
        blocks, width = layer.blocks, layer.width
        self.gates: Array = arrays.zeros((seq, 4 * blocks, batch, width), layer.dtype)
        self.difference: Array = arrays.zeros((seq, blocks, batch, width), layer.dtype)
        self.slope: Array = np.empty((2 * blocks, batch, width), layer.dtype)
        self.bias_hn: Array = np.empty((blocks, batch, width), layer.dtype)  # once for each sequence
        self.room = self.gates.reshape(seq, batch, layer.delta_rows)
        self.entries = list(self.gates[:, blocks:])
        self.steps = [self._step(t, blocks) for t in range(seq)]

    def _step(self, t: int, blocks: int) -> Step:
        recurrent, r, z, n = np.split(self.gates[t], 4)
        sigmoids = self.gates[t, blocks : 3 * blocks]
        states = self.fresh[t], self.fresh[t + 1], self.hidden[t + 1]
        return Step(recurrent, sigmoids, r, z, n, self.difference[t], *states)

    def gate(self, name: str) -> Array:
        """The activations of gate r, z or n over all steps, (T, B, H)."""
        blocks, place = self.difference.shape[1], 1 + "rzn".index(name)
        return Layer.in_rows(self.gates[:, place * blocks : (place + 1) * blocks])


class GRULayer(Layer):
    """δ has the parts [hn, r, z, in]: W_hh sees the first three, W_ih the last three."""

    tape_type = GRUTape
    gate_count = 3
    delta_blocks = 4
    input_order = (0, 1, 2)
    recurrent_order = (2, 0, 1)
    sigmoids = (0, 1)

    def input_bias(self) -> Array:
        bias = super().input_bias()
        bias[2] = self.parameter("bias_ih")[2]
        return bias

    def forward(self, tape: Tape, clamp: Clamps = ()) -> None:
        assert isinstance(tape, GRUTape)
        blocks, half, let_through = self.blocks, self.half, tape.slope[: self.blocks]
        by_candidate, by_sigmoids = tape.recurrent[:blocks], tape.recurrent[blocks:]
        np.copyto(tape.bias_hn, self.parameter("bias_hh")[2].reshape(blocks, 1, -1))
        np.copyto(tape.fresh[0], tape.hidden[0])
        for t, (recurrent, sigmoids, r, z, n, difference, before, fresh, hidden) in enumerate(tape.steps):
            self.enter(tape, t)
            matmul(tape.states[t], self.weight, tape.recurrent)
            add(by_candidate, tape.bias_hn, recurrent)
            add(sigmoids, by_sigmoids, sigmoids)
            tanh(sigmoids, sigmoids)
            multiply(sigmoids, half, sigmoids)
            add(sigmoids, half, sigmoids)
            multiply(recurrent, r, let_through)
            add(n, let_through, n)
            tanh(n, n)
            subtract(before, n, difference)
            multiply(z, difference, fresh)
            add(fresh, n, fresh)
            if clamp:
                hold(fresh, clamp)
            if fresh is not hidden:
                hidden[...] = fresh

    def backward(self, tape: Tape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        assert isinstance(tape, GRUTape)
        one, d_hidden, through_z, direct = self.one, sweep.d_hidden, sweep.scratch, self.in_blocks(d_outputs)
        delta = sweep.step_delta
        d_hn, d_r, d_z, d_in = np.split(delta, 4)
        d_sigmoids = delta[self.blocks : 3 * self.blocks]
        slope, n_slope = tape.slope, tape.slope[: self.blocks]
        d_hidden[...] = 0
        for t in reversed(range(len(d_outputs))):
            recurrent, sigmoids, r, z, n, difference, *_ = tape.steps[t]
            add(d_hidden, direct[t], d_hidden)
            multiply(d_hidden, z, through_z)
            subtract(d_hidden, through_z, d_in)
            square(n, n_slope)
            subtract(one, n_slope, n_slope)
            multiply(d_in, n_slope, d_in)
            multiply(d_in, r, d_hn)
            multiply(d_in, recurrent, d_r)
            multiply(d_hidden, difference, d_z)
            subtract(one, sigmoids, slope)
            multiply(slope, sigmoids, slope)
            multiply(d_sigmoids, slope, d_sigmoids)
            sweep.blocks[t][...] = delta
            if observe is not None:
                observe(t, self.in_rows(d_hidden), None, sweep.rows[t])
            self.pass_back(sweep, t)
            add(d_hidden, through_z, d_hidden)
