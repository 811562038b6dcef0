"""The gated recurrent unit, as PyTorch and cuDNN have it: the reset gate acts after the recurrent product.

r = σ(W_ir x + b_ir + W_hr h₋₁ + b_hr)        z = σ(W_iz x + b_iz + W_hz h₋₁ + b_hz)
n = tanh(W_in x + b_in + r ∘ (W_hn h₋₁ + b_hn))        h = (1 − z) ∘ n + z ∘ h₋₁

Cho et al. 2014, "Learning Phrase Representations using RNN Encoder–Decoder".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine import pages
from engine.cells.layer import Clamps, Layer, Observer, hold
from engine.cells.tape import Sweep, Tape
from engine.parameters import Array


class GRUStep(NamedTuple):
    """Views of one step's block [W_hn h₋₁ + b_hn; r; z] (3H, B) and of what follows from it."""

    stacked: Array
    products: Array  # the rows of `gates` in blocks, as they are multiplied
    gates: Array
    recurrent: Array  # W_hn h₋₁ + b_hn, which r lets through
    sigmoids: Array  # r and z
    r: Array
    z: Array
    n: Array
    difference: Array  # h₋₁ − n
    hidden: Array


class GRUTape(Tape):
    """Also keeps the gates (T, 3H, B), n (T, H, B) and h₋₁ − n (T, H, B)."""

    def __init__(self, layer: Layer, seq: int, batch: int) -> None:
        super().__init__(layer, seq, batch)
        hidden = layer.size
        self.gates: Array = pages.zeros((seq, 3 * hidden, batch), layer.dtype)
        self.candidate: Array = pages.zeros((seq, hidden, batch), layer.dtype)
        self.difference: Array = pages.zeros((seq, hidden, batch), layer.dtype)
        self.own: Array = np.empty((hidden, batch), layer.dtype)  # h of the own units, as it is read fastest
        self.slope: Array = np.empty((2 * hidden, batch), layer.dtype)
        self.steps = [self._step(t, hidden) for t in range(seq)]

    def _step(self, t: int, size: int) -> GRUStep:
        gates = self.gates[t]
        return GRUStep(
            stacked=self.columns[t],
            products=gates.reshape(self.blocks, -1, self.batch),
            gates=gates,
            recurrent=gates[:size],
            sigmoids=gates[size:],
            r=gates[size : 2 * size],
            z=gates[2 * size :],
            n=self.candidate[t],
            difference=self.difference[t],
            hidden=self.hidden[t + 1],
        )

    def gate(self, name: str) -> Array:
        """The activations of gate r, z or n over all steps, (T, H, B)."""
        if name == "n":
            return self.candidate
        hidden = self.candidate.shape[1]
        place = 1 + "rz".index(name)
        return self.gates[:, place * hidden : (place + 1) * hidden]


class GRULayer(Layer):
    """δ has the blocks [hn, r, z, in]: W_hh sees the first three, W_ih the last three."""

    tape_type = GRUTape
    gate_count = 3
    forward_blocks = 3
    delta_blocks = 4
    input_order = (0, 1, 2)
    recurrent_order = (2, 0, 1)

    def input_bias(self, gate: int) -> Array:
        bias: Array = self.parameter("bias_ih")[gate]
        return bias if gate == 2 else bias + self.parameter("bias_hh")[gate]

    def fuse(self, weight_hh: Array) -> None:
        size, width = self.size, self.input_size + 1
        self.weight[:size, width - 1] = self.parameter("bias_hh")[2]
        self.weight[:size, width:] = weight_hh[2]
        np.multiply(self.weight_input[: 2 * size], 0.5, out=self.weight[size:, :width])
        np.multiply(weight_hh[:2], 0.5, out=self.weight[size:, width:].reshape(2, size, -1))

    def forward(self, tape: Tape, clamp: Clamps = ()) -> None:
        assert isinstance(tape, GRUTape)
        size, half = self.size, self.half
        # The candidate's input does not go through the reset gate, so it is one product for all steps.
        inputs = tape.stacked[: self.input_size + 1, :-1].transpose(1, 0, 2)
        np.matmul(self.weight_input[2 * size :], inputs, out=tape.candidate)
        own, let_through = tape.own, tape.slope[:size]
        np.copyto(own, tape.hidden[0])
        for step in tape.steps:
            np.matmul(tape.weight, step.stacked, out=step.products)
            np.tanh(step.sigmoids, out=step.sigmoids)
            np.multiply(step.sigmoids, half, out=step.sigmoids)
            np.add(step.sigmoids, half, out=step.sigmoids)
            np.multiply(step.recurrent, step.r, out=let_through)
            np.add(step.n, let_through, out=step.n)
            np.tanh(step.n, out=step.n)
            np.subtract(own, step.n, out=step.difference)
            np.multiply(step.z, step.difference, out=own)
            np.add(own, step.n, out=own)
            if clamp:
                hold(own, clamp)
            np.copyto(step.hidden, own)
            self.team.meet()

    def backward(self, tape: Tape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        assert isinstance(tape, GRUTape)
        size, one, d_hidden, through_z = self.size, self.one, sweep.d_hidden, sweep.scratch
        delta = sweep.step_delta
        d_hn, d_r, d_z, d_in = np.split(delta, 4)
        d_sigmoids, d_recurrent = delta[size : 3 * size], delta[: 3 * size]
        slope, n_slope = tape.slope, tape.slope[:size]
        weight_back = self.back_in_blocks(sweep)
        d_hidden[...] = 0
        for t in reversed(range(len(d_outputs))):
            step = tape.steps[t]
            np.add(d_hidden, d_outputs[t], out=d_hidden)
            np.multiply(d_hidden, step.z, out=through_z)
            np.subtract(d_hidden, through_z, out=d_in)
            np.square(step.n, out=n_slope)
            np.subtract(one, n_slope, out=n_slope)
            np.multiply(d_in, n_slope, out=d_in)
            np.multiply(d_in, step.r, out=d_hn)
            np.multiply(d_in, step.recurrent, out=d_r)
            np.multiply(d_hidden, step.difference, out=d_z)
            np.subtract(one, step.sigmoids, out=slope)
            np.multiply(slope, step.sigmoids, out=slope)
            np.multiply(d_sigmoids, slope, out=d_sigmoids)
            if observe is not None:
                observe(t, d_hidden, None, delta)
            sweep.keep(t)
            self.pass_back(sweep, t, weight_back, d_recurrent)
            np.add(d_hidden, through_z, out=d_hidden)
