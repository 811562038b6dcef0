"""Long short-term memory with a forget gate.

i, f, o = σ(W x + b + W_h h₋₁ + b_h), one each        g = tanh(W_ig x + b_ig + W_hg h₋₁ + b_hg)
c = f ∘ c₋₁ + i ∘ g        h = o ∘ tanh(c)

Hochreiter & Schmidhuber 1997, "Long Short-Term Memory"; Gers et al. 2000, "Learning to Forget".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine import pages
from engine.cells.layer import Clamps, Layer, Observer, hold
from engine.cells.tape import Sweep, Tape
from engine.parameters import Array


class LSTMStep(NamedTuple):
    """Views of one step's block [i; f; o; g; c₋₁] (5H, B) and of what follows from it.

    g and c₋₁ stand side by side, so that i∘g and f∘c₋₁ are one multiplication.
    """

    stacked: Array
    products: Array  # the gates' rows in blocks, as they are multiplied
    gates: Array  # i, f, o and g
    sigmoids: Array  # i, f and o
    i: Array
    f: Array
    o: Array
    g: Array
    i_and_f: Array
    g_and_before: Array  # g and c₋₁
    before: Array  # c₋₁
    cell: Array
    tanh_cell: Array
    hidden: Array


class LSTMTape(Tape):
    """Also keeps the gates and c₋₁ (T+1, 5H, B) and tanh(c) (T, H, B)."""

    def __init__(self, layer: Layer, seq: int, batch: int) -> None:
        super().__init__(layer, seq, batch)
        hidden = layer.size
        self.gates: Array = pages.zeros((seq + 1, 5 * hidden, batch), layer.dtype)
        self.tanh_cell: Array = pages.zeros((seq, hidden, batch), layer.dtype)
        self.products: Array = np.empty((2 * hidden, batch), layer.dtype)
        self.slope: Array = np.empty((4 * hidden, batch), layer.dtype)
        self.h_slope: Array = np.empty((hidden, batch), layer.dtype)
        self.cell = [self.gates[t, 4 * hidden :] for t in range(seq + 1)]  # c_{−1} … c_{T−1}
        self.last_cell: Array = layer.team.zeros((layer.hidden_size, batch), layer.dtype)  # c_{T−1} of all units
        self.steps = [self._step(t, hidden) for t in range(seq)]

    def _step(self, t: int, size: int) -> LSTMStep:
        block = self.gates[t]
        return LSTMStep(
            stacked=self.columns[t],
            products=block[: 4 * size].reshape(self.blocks, -1, self.batch),
            gates=block[: 4 * size],
            sigmoids=block[: 3 * size],
            i=block[:size],
            f=block[size : 2 * size],
            o=block[2 * size : 3 * size],
            g=block[3 * size : 4 * size],
            i_and_f=block[: 2 * size],
            g_and_before=block[3 * size :],
            before=block[4 * size :],
            cell=self.cell[t + 1],
            tanh_cell=self.tanh_cell[t],
            hidden=self.hidden[t + 1],
        )

    def reset(self) -> None:
        super().reset()
        self.cell[0][...] = 0

    def carry(self) -> None:
        super().carry()
        self.cell[0][...] = self.last_cell[self.units]

    def end_state(self) -> tuple[Array, ...]:
        return (*super().end_state(), self.last_cell.copy())

    def restore(self, state: tuple[Array, ...]) -> None:
        super().restore(state)
        self.last_cell[...] = state[1]

    def gate(self, name: str) -> Array:
        """The activations of gate i, f, o or g, or the cell state c, over all steps, (T, H, B)."""
        hidden = self.tanh_cell.shape[1]
        if name == "c":
            return self.gates[1:, 4 * hidden :]
        place = "ifog".index(name)
        return self.gates[:-1, place * hidden : (place + 1) * hidden]


class LSTMLayer(Layer):
    """δ has the blocks [i, f, o, g], sigmoids first, so that one call serves all three."""

    tape_type = LSTMTape
    gate_count = 4
    forward_blocks = 4
    delta_blocks = 4
    input_order = (0, 1, 3, 2)
    recurrent_order = (0, 1, 3, 2)

    def fuse(self, weight_hh: Array) -> None:
        size, width = self.size, self.input_size + 1
        self.weight[:, :width] = self.weight_input
        for place, gate in enumerate(self.recurrent_order):
            self.weight[place * size : (place + 1) * size, width:] = weight_hh[gate]
        self.weight[: 3 * size] *= 0.5

    def forward(self, tape: Tape, clamp: Clamps = ()) -> None:
        assert isinstance(tape, LSTMTape)
        size, half, products = self.size, self.half, tape.products
        i_times_g, f_times_before = products[:size], products[size:]
        for step in tape.steps:
            np.matmul(tape.weight, step.stacked, out=step.products)
            np.tanh(step.gates, out=step.gates)
            np.multiply(step.sigmoids, half, out=step.sigmoids)
            np.add(step.sigmoids, half, out=step.sigmoids)
            np.multiply(step.i_and_f, step.g_and_before, out=products)
            np.add(i_times_g, f_times_before, out=step.cell)
            np.tanh(step.cell, out=step.tanh_cell)
            np.multiply(step.o, step.tanh_cell, out=step.hidden)
            if clamp:
                hold(step.hidden, clamp)
            self.team.meet()
        tape.last_cell[self.units] = tape.cell[-1]

    def backward(self, tape: Tape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        assert isinstance(tape, LSTMTape)
        size, one = self.size, self.one
        d_hidden, d_cell, through_h, d_gates = sweep.d_hidden, sweep.d_cell, sweep.scratch, sweep.step_delta
        d_i, d_f, d_o, d_g = np.split(d_gates, 4)
        slope, h_slope = tape.slope, tape.h_slope
        sigmoid_slope, g_slope = slope[: 3 * size], slope[3 * size :]
        weight_back = self.back_in_blocks(sweep)
        d_hidden[...] = 0
        d_cell[...] = 0
        for t in reversed(range(len(d_outputs))):
            step, delta = tape.steps[t], sweep.steps[t]
            np.add(d_hidden, d_outputs[t], out=d_hidden)
            # ∂h/∂c = o∘(1 − tanh²c) = o − h∘tanh c would save a pass but loses digits where tanh c is near ±1.
            np.square(step.tanh_cell, out=h_slope)
            np.subtract(one, h_slope, out=h_slope)
            np.multiply(h_slope, step.o, out=h_slope)
            np.multiply(d_hidden, h_slope, out=through_h)
            np.add(d_cell, through_h, out=d_cell)
            np.multiply(d_cell, step.g, out=d_i)
            np.multiply(d_cell, step.before, out=d_f)
            np.multiply(d_hidden, step.tanh_cell, out=d_o)
            np.multiply(d_cell, step.i, out=d_g)
            np.subtract(one, step.sigmoids, out=sigmoid_slope)
            np.multiply(sigmoid_slope, step.sigmoids, out=sigmoid_slope)
            np.square(step.g, out=g_slope)
            np.subtract(one, g_slope, out=g_slope)
            np.multiply(d_gates, slope, out=delta)
            if observe is not None:
                observe(t, d_hidden, d_cell, delta)
            np.multiply(d_cell, step.f, out=d_cell)
            self.pass_back(sweep, t, weight_back, delta)
