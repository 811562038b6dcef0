"""Long short-term memory with a forget gate.

i, f, o = σ(W x + b + W_h h₋₁ + b_h), one each        g = tanh(W_ig x + b_ig + W_hg h₋₁ + b_hg)
c = f ∘ c₋₁ + i ∘ g        h = o ∘ tanh(c)

Hochreiter & Schmidhuber 1997, "Long Short-Term Memory"; Gers et al. 2000, "Learning to Forget".
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
    """Views of one step, each of blocks (n, B, w)."""

    gates: Array  # i, f, o and g
    sigmoids: Array  # i, f and o
    i: Array
    f: Array
    o: Array
    g: Array
    before: Array  # c₋₁
    cell: Array
    tanh_cell: Array
    fresh: Array  # where h is computed, and
    hidden: Array  # where it belongs


class LSTMTape(Tape):
    """Also keeps the gates (T, 4n, B, w), c_{−1} … c_{T−1} (T+1, n, B, w) and tanh(c) (T, n, B, w)."""

    def __init__(self, layer: Layer, seq: int, batch: int, inputs: Array | None) -> None:
        super().__init__(layer, seq, batch, inputs)
        blocks, width = layer.blocks, layer.width
        self.gates: Array = arrays.zeros((seq, 4 * blocks, batch, width), layer.dtype)
        self.cell: Array = arrays.zeros((seq + 1, blocks, batch, width), layer.dtype)
        self.tanh_cell: Array = arrays.zeros((seq, blocks, batch, width), layer.dtype)
        self.product: Array = np.empty((blocks, batch, width), layer.dtype)
        self.slope: Array = np.empty((4 * blocks, batch, width), layer.dtype)
        self.h_slope: Array = np.empty((blocks, batch, width), layer.dtype)
        self.room = self.gates.reshape(seq, batch, layer.delta_rows)
        self.entries = list(self.gates)
        self.steps = [self._step(t, blocks) for t in range(seq)]

    def _step(self, t: int, blocks: int) -> Step:
        gates, cells, states = self.gates[t], self.cell[t : t + 2], (self.fresh[t + 1], self.hidden[t + 1])
        i, f, o, g = np.split(gates, 4)
        return Step(gates, gates[: 3 * blocks], i, f, o, g, cells[0], cells[1], self.tanh_cell[t], *states)

    def reset(self) -> None:
        super().reset()
        self.cell[0][...] = 0

    def carry(self) -> None:
        super().carry()
        self.cell[0][...] = self.cell[-1]

    def end_state(self) -> tuple[Array, ...]:
        return (*super().end_state(), Layer.in_rows(self.cell[-1]))

    def restore(self, state: tuple[Array, ...]) -> None:
        super().restore(state)
        _, blocks, _, width = self.cell.shape
        self.cell[-1] = state[1].reshape(-1, blocks, width).swapaxes(0, 1)

    def gate(self, name: str) -> Array:
        """The activations of gate i, f, o or g, or the cell state c, over all steps, (T, B, H)."""
        if name == "c":
            return Layer.in_rows(self.cell[1:])
        blocks, place = self.cell.shape[1], "ifog".index(name)
        return Layer.in_rows(self.gates[:, place * blocks : (place + 1) * blocks])


class LSTMLayer(Layer):
    """δ has the parts [i, f, o, g], sigmoids first, so that one call serves all three."""

    tape_type = LSTMTape
    gate_count = 4
    delta_blocks = 4
    input_order = (0, 1, 3, 2)
    recurrent_order = (0, 1, 3, 2)
    sigmoids = (0, 1, 3)

    def forward(self, tape: Tape, clamp: Clamps = ()) -> None:
        assert isinstance(tape, LSTMTape)
        half, recurrent, i_times_g = self.half, tape.recurrent, tape.product
        for t, (gates, sigmoids, i, f, o, g, before, cell, tanh_cell, fresh, hidden) in enumerate(tape.steps):
            self.enter(tape, t)
            matmul(tape.states[t], self.weight, recurrent)
            add(gates, recurrent, gates)
            tanh(gates, gates)
            multiply(sigmoids, half, sigmoids)
            add(sigmoids, half, sigmoids)
            multiply(i, g, i_times_g)
            multiply(f, before, cell)
            add(cell, i_times_g, cell)
            tanh(cell, tanh_cell)
            multiply(o, tanh_cell, fresh)
            if clamp:
                hold(fresh, clamp)
            if fresh is not hidden:
                hidden[...] = fresh

    def backward(self, tape: Tape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        assert isinstance(tape, LSTMTape)
        one, direct = self.one, self.in_blocks(d_outputs)
        d_hidden, d_cell, spare, d_gates = sweep.d_hidden, sweep.d_cell, sweep.scratch, sweep.step_delta
        d_i, d_f, d_o, d_g = np.split(d_gates, 4)
        slope, h_slope = tape.slope, tape.h_slope
        sigmoid_slope, g_slope = slope[: 3 * self.blocks], slope[3 * self.blocks :]
        d_hidden[...] = 0
        d_cell[...] = 0
        for t in reversed(range(len(d_outputs))):
            _, sigmoids, i, f, o, g, before, _, tanh_cell, *_ = tape.steps[t]
            add(d_hidden, direct[t], d_hidden)
            # ∂h/∂c = o∘(1 − tanh²c) = o − h∘tanh c would save a pass but loses digits where tanh c is near ±1.
            square(tanh_cell, h_slope)
            subtract(one, h_slope, h_slope)
            multiply(h_slope, o, h_slope)
            multiply(d_hidden, h_slope, spare)
            add(d_cell, spare, d_cell)
            multiply(d_cell, g, d_i)
            multiply(d_cell, before, d_f)
            multiply(d_hidden, tanh_cell, d_o)
            multiply(d_cell, i, d_g)
            subtract(one, sigmoids, sigmoid_slope)
            multiply(sigmoid_slope, sigmoids, sigmoid_slope)
            square(g, g_slope)
            subtract(one, g_slope, g_slope)
            multiply(d_gates, slope, d_gates)
            multiply(d_cell, f, spare)  # before δ takes the gates' place
            sweep.blocks[t][...] = d_gates
            if observe is not None:
                observe(t, self.in_rows(d_hidden), self.in_rows(d_cell), sweep.rows[t])
            d_cell, spare = spare, d_cell
            self.pass_back(sweep, t)
