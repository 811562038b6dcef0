"""What every recurrent layer shares: its fused weights, and what becomes of δ.

Every step multiplies one fused matrix with one stacked column per sequence, [x_t; 1; h_{t−1}], so
that the input, the bias and the recurrence of all gates cost a single product. Arrays of one step
are feature-major, (rows, B): a gate is one contiguous block, and OpenBLAS is fastest that way.
The stacked columns and δ of all steps are (rows, T, B), so that a weight gradient is one product
over all T·B columns after the sweep.

Where several processes compute together, each has the gates of its own units (`Team`): h of all
units is there after each step, and what a δ says of all units is added up.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar

import numpy as np

from engine import pages
from engine.cells.tape import Sweep, Tape
from engine.parameters import Array, Parameters
from engine.team import ALONE, Team

# Called in the backward sweep at each t, from T−1 down, with t, ∂ℓ/∂h_t (H, S), ∂ℓ/∂c_t (H, S; the lstm's, else
# None) and δ_t (rows, S), the gradient of what is inside the gates' non-linearities. Copy what is to be kept.
Observer = Callable[[int, Array, Array | None, Array], None]
Clamps = tuple[tuple[int, float], ...]  # (unit, value) pairs held fixed in h

STRIP = 32


class Layer(ABC):
    """One recurrent layer, or the part of it that a member of a team has: `size` of its H units, `units`.

    A cell gives its equations as `fuse`, `forward` and `backward`. `weight` (forward_rows, X+1+H) is the fused
    matrix [W_x, b, W_h]; sigmoid gates are halved in it, because σ(a) = ½·tanh(½a) + ½ and NumPy's tanh is several
    times faster than its exp. `weight_back` (H, rows) is W_hhᵀ. `input_rows` and `recurrent_rows` say which rows of
    δ belong to W_ih and W_hh, `input_order` and `recurrent_order` which gate each block of them is.
    """

    tape_type: ClassVar[type[Tape]] = Tape
    gate_count: ClassVar[int]
    input_order: ClassVar[tuple[int, ...]]  # block i of δ[input_rows] is PyTorch's gate input_order[i]
    recurrent_order: ClassVar[tuple[int, ...]]
    forward_blocks: ClassVar[int]  # blocks of H rows in `weight`, and in δ
    delta_blocks: ClassVar[int]

    def __init__(self, parameters: Parameters, index: int, input_size: int, team: Team = ALONE) -> None:
        self.parameters, self.index, self.input_size, self.team = parameters, index, input_size, team
        self.hidden_size = parameters.architecture.hidden_size
        self.units = team.part(self.hidden_size)
        self.size = self.units.stop - self.units.start
        self.dtype = parameters.flat.dtype
        # NumPy is quicker with arrays of no dimension than with Python's numbers.
        self.half: Array = np.array(0.5, self.dtype)
        self.one: Array = np.array(1, self.dtype)
        self.delta_rows = self.delta_blocks * self.size
        self.input_rows = slice(self.delta_rows - len(self.input_order) * self.size, self.delta_rows)
        self.recurrent_rows = slice(0, len(self.recurrent_order) * self.size)
        self.weight: Array = pages.zeros(
            (self.forward_blocks * self.size, input_size + 1 + self.hidden_size), self.dtype
        )
        self._product: Array | None = None  # made when it is needed: what only looks at a network needs none
        self.weight_input: Array = np.zeros((len(self.input_order) * self.size, input_size + 1), self.dtype)
        self.weight_back: Array = pages.zeros((self.hidden_size, self.recurrent_rows.stop), self.dtype)

    def parameter(self, kind: str, of: Parameters | None = None) -> Array:
        """The own units' part of parameter `rnn.{kind}_l{index}`, by gate: (G, H, …) in PyTorch's order."""
        array = (of or self.parameters)[f"rnn.{kind}_l{self.index}"]
        return array.reshape(self.gate_count, self.hidden_size, *array.shape[1:])[:, self.units]

    def refresh(self, table: Array | None = None) -> None:
        """Rebuild the working matrices from the parameters; `table` (G, H, X) stands for W_ih where given."""
        size = self.size
        weight_ih = self.parameter("weight_ih") if table is None else table
        weight_hh = self.parameter("weight_hh")
        for place, gate in enumerate(self.input_order):
            self.weight_input[place * size : (place + 1) * size, :-1] = weight_ih[gate]
            self.weight_input[place * size : (place + 1) * size, -1] = self.input_bias(gate)
        for place, gate in enumerate(self.recurrent_order):
            for strip in strips(size):
                self.weight_back[:, place * size : (place + 1) * size][:, strip] = weight_hh[gate, strip].T
        self.fuse(weight_hh)

    def input_bias(self, gate: int) -> Array:
        """The bias that acts with the input: both of PyTorch's, unless the cell treats them apart."""
        bias: Array = self.parameter("bias_ih")[gate] + self.parameter("bias_hh")[gate]
        return bias

    @abstractmethod
    def fuse(self, weight_hh: Array) -> None:
        """Fill the forward matrix from `weight_input` and `weight_hh` (G, H, H)."""

    @abstractmethod
    def forward(self, tape: Tape, clamp: Clamps = ()) -> None:
        """Run T steps from the tape's first state."""

    @abstractmethod
    def backward(self, tape: Tape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        """Run back over the tape's first T steps. `d_outputs` (T, H, S): what the loss says of h_t directly."""

    def back_in_blocks(self, sweep: Sweep) -> Array:
        """`weight_back` as `pass_back` multiplies it."""
        return self.weight_back.reshape(sweep.blocks, -1, self.weight_back.shape[1])

    def pass_back(self, sweep: Sweep, t: int, weight_back: Array, delta: Array) -> None:
        """∂ℓ/∂h_{t−1} through δ_t of the recurrent rows, into `sweep.d_hidden`. There is nothing before t = 0."""
        if t == 0:
            return
        if self.team.size == 1:
            np.matmul(weight_back, delta, out=sweep.d_hidden.reshape(sweep.blocks, -1, sweep.columns))
            return
        np.matmul(weight_back, delta, out=sweep.own_part[t % 2])
        self.team.meet()
        first, second, *others = sweep.parts_of_own[t % 2]
        np.add(first, second, out=sweep.d_hidden)
        for part in others:
            np.add(sweep.d_hidden, part, out=sweep.d_hidden)

    def d_inputs(self, sweep: Sweep, rows: slice = slice(None)) -> Array:
        """∂ℓ/∂x_t of all steps, (T, X, S), or some of its rows, from the kept δ."""
        assert sweep.delta is not None
        weight, delta = self.weight_input[:, :-1].T, sweep.delta[self.input_rows]
        shape = (-1, *delta.shape[1:])
        delta = delta.reshape(len(delta), -1)
        if self.team.size == 1:
            product: Array = np.matmul(weight, delta)
            return product[rows].reshape(shape).transpose(1, 0, 2)
        self.team.meet()  # before anybody writes what others may still read for the layer above
        parts = sweep.input_parts[:, : self.input_size]
        np.matmul(weight, delta, out=parts[self.team.rank])
        self.team.meet()
        first, second, *others = (part[rows].reshape(shape).transpose(1, 0, 2) for part in parts)
        into = sweep.d_outputs if first.shape == sweep.d_outputs.shape else np.empty(first.shape, self.dtype)
        np.add(first, second, out=into)
        for part in others:
            np.add(into, part, out=into)
        return into

    def weight_gradients(self, tape: Tape, sweep: Sweep, gradient: Parameters) -> Array:
        """Write ∂ℓ/∂W_hh and the biases' into `gradient`; return ∂ℓ/∂W_ih, (G·H, X), gates in `input_order`."""
        assert sweep.delta is not None
        size, width = self.size, self.input_size
        delta = sweep.delta.reshape(self.delta_rows, -1)
        stacked = tape.stacked[:, :-1].reshape(len(tape.stacked), -1)
        if self._product is None:
            self._product = pages.zeros((self.delta_rows * (len(stacked) + 1),), self.dtype)
        if self.input_order == self.recurrent_order:
            product = self._multiply(delta, stacked, 0)
            by_input, by_state = product[:, : width + 1], product[:, width:]
        else:
            by_input = self._multiply(delta[self.input_rows], stacked[: width + 1], 0)
            by_state = self._multiply(delta[self.recurrent_rows], stacked[width:], by_input.size)
        bias_ih, bias_hh = self.parameter("bias_ih", gradient), self.parameter("bias_hh", gradient)
        weight_hh = self.parameter("weight_hh", gradient)
        for place, gate in enumerate(self.input_order):
            bias_ih[gate] = by_input[place * size : (place + 1) * size, -1]
        for place, gate in enumerate(self.recurrent_order):
            block = by_state[place * size : (place + 1) * size]
            bias_hh[gate] = block[:, 0]
            weight_hh[gate] = block[:, 1:]
        return by_input[:, :-1]

    def _multiply(self, delta: Array, values: Array, start: int) -> Array:
        """(rows, N)·(K, N)ᵀ, at `start` in memory that is kept: a fresh piece each time is slower than it seems."""
        assert self._product is not None
        out = self._product[start : start + len(delta) * len(values)].reshape(len(delta), len(values))
        return np.matmul(delta, values.T, out=out)


def strips(count: int) -> Iterator[slice]:
    """`count` rows some at a time: transposed so, they leave every cache line full, which is several times faster."""
    for start in range(0, count, STRIP):
        yield slice(start, min(start + STRIP, count))


def hold(hidden: Array, clamp: Clamps) -> None:
    """Fix some units of h (H, B) at given values."""
    for unit, value in clamp:
        hidden[unit] = value
