"""The gated recurrent unit, as PyTorch and cuDNN have it: the reset gate acts after the recurrent product.

r = σ(W_ir x + b_ir + W_hr h₋₁ + b_hr)        z = σ(W_iz x + b_iz + W_hz h₋₁ + b_hz)
n = tanh(W_in x + b_in + r ∘ (W_hn h₋₁ + b_hn))        h = (1 − z) ∘ n + z ∘ h₋₁

Cho et al. 2014, "Learning Phrase Representations using RNN Encoder–Decoder".
"""

from __future__ import annotations

import numpy as np

from engine.cells.layer import Clamps, Layer, Observer, Sweep, Tape, hold
from engine.parameters import Array, Parameters


class GRUTape(Tape):
    """Also keeps, per step, the blocks [W_hn h₋₁ + b_hn; r; z] (3H, B), n (H, B) and h₋₁ − n (H, B)."""

    def __init__(self, layer: Layer, seq: int, batch: int) -> None:
        super().__init__(layer, seq, batch)
        hidden = layer.hidden_size
        self.gates: Array = np.empty((seq, 3 * hidden, batch), layer.dtype)
        self.candidate: Array = np.empty((seq, hidden, batch), layer.dtype)
        self.difference: Array = np.empty((seq, hidden, batch), layer.dtype)

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
    delta_blocks = 4
    input_order = (0, 1, 2)
    recurrent_order = (2, 0, 1)

    def __init__(self, parameters: Parameters, index: int, input_size: int) -> None:
        super().__init__(parameters, index, input_size)
        self.weight: Array = np.zeros((3 * self.hidden_size, input_size + 1 + self.hidden_size), self.dtype)

    def input_bias(self, gate: int) -> Array:
        bias: Array = self.parameter("bias_ih")[gate]
        return bias if gate == 2 else bias + self.parameter("bias_hh")[gate]

    def fuse(self, weight_hh: Array) -> None:
        hidden, width = self.hidden_size, self.input_size + 1
        self.weight[:hidden, width - 1] = self.parameter("bias_hh")[2]
        self.weight[:hidden, width:] = weight_hh[2]
        np.multiply(self.weight_input[: 2 * hidden], 0.5, out=self.weight[hidden:, :width])
        np.multiply(weight_hh[:2].reshape(2 * hidden, hidden), 0.5, out=self.weight[hidden:, width:])

    def forward(self, tape: Tape, clamp: Clamps = ()) -> None:
        assert isinstance(tape, GRUTape)
        size = self.hidden_size
        # The candidate's input does not go through the reset gate, so it is one product for all steps.
        from_input = np.dot(self.weight_input[2 * size :], tape.inputs.reshape(self.input_size + 1, -1))
        from_input = from_input.reshape(size, tape.seq, tape.batch)
        for t in range(tape.seq):
            gates, n, difference, hidden = tape.gates[t], tape.candidate[t], tape.difference[t], tape.hidden[t + 1]
            np.dot(self.weight, tape.columns[t], out=gates)
            sigmoids = gates[size:]
            np.tanh(sigmoids, out=sigmoids)
            np.multiply(sigmoids, 0.5, out=sigmoids)
            np.add(sigmoids, 0.5, out=sigmoids)
            np.multiply(gates[:size], sigmoids[:size], out=n)
            np.add(n, from_input[:, t], out=n)
            np.tanh(n, out=n)
            np.subtract(tape.hidden[t], n, out=difference)
            np.multiply(sigmoids[size:], difference, out=hidden)
            np.add(hidden, n, out=hidden)
            if clamp:
                hold(hidden, clamp)
            np.copyto(tape.outputs[t + 1], hidden)

    def backward(self, tape: Tape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        assert isinstance(tape, GRUTape)
        size, d_hidden, through_z = self.hidden_size, sweep.d_hidden, sweep.scratch
        delta = sweep.step_delta
        d_hn, d_r, d_z, d_in = np.split(delta, 4)
        slope = np.empty((2 * size, tape.batch), self.dtype)
        d_hidden[...] = 0
        for t in reversed(range(d_outputs.shape[1])):
            gates, n = tape.gates[t], tape.candidate[t]
            sigmoids = gates[size:]
            np.add(d_hidden, d_outputs[:, t], out=d_hidden)
            np.multiply(d_hidden, sigmoids[size:], out=through_z)
            np.subtract(d_hidden, through_z, out=d_in)
            np.multiply(n, n, out=slope[:size])
            np.subtract(1, slope[:size], out=slope[:size])
            np.multiply(d_in, slope[:size], out=d_in)
            np.multiply(d_in, sigmoids[:size], out=d_hn)
            np.multiply(d_in, gates[:size], out=d_r)
            np.multiply(d_hidden, tape.difference[t], out=d_z)
            np.subtract(1, sigmoids, out=slope)
            np.multiply(slope, sigmoids, out=slope)
            np.multiply(delta[size : 3 * size], slope, out=delta[size : 3 * size])
            if observe is not None:
                observe(t, d_hidden, None, delta)
            sweep.keep(t)
            np.dot(self.weight_back, delta[: 3 * size], out=d_hidden)
            np.add(d_hidden, through_z, out=d_hidden)
