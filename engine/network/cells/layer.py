"""What every recurrent layer shares: its working matrices, and what becomes of δ.

Every step first takes what the input says to all gates, the row of a table or a product, and adds one product of
h_{t−1} with the recurrent weights of all gates. δ of all steps is kept, so that a weight gradient is one product over
all T·B rows after the sweep.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from engine import arrays
from engine.arrays import Array, Codes
from engine.network.cells.products import LANES, TransposedProduct, add_up, block_width, splits
from engine.network.cells.tape import Sweep, Tape
from engine.network.numerics import sums_by_code
from engine.network.parameters import Parameters

# Called in the backward sweep at each t, from T−1 down, with t, ∂ℓ/∂h_t (S, H), ∂ℓ/∂c_t (S, H; the lstm's, else
# None) and δ_t (S, rows), the gradient of what is inside the gates' non-linearities. Copy what is to be kept.
Observer = Callable[[int, Array, Array | None, Array], None]
Clamps = tuple[tuple[int, float], ...]  # (unit, value) pairs held fixed in h


class Layer(ABC):
    """One recurrent layer of H units.

    A cell gives its equations as `forward` and `backward`, over the units in blocks, (n, B, w) with n·w units, w
    such that products with `batch` sequences are fastest. The working matrices are in blocks of columns as well, for m
    gates `weight_input` (m·n, X, w), `bias` (m·n, 1, w) and `weight` (m·n, H, w), in the order of `input_order` and
    `recurrent_order`; `weight_back` (summands, n, rows, w) is W_hh again, as δ meets it. A layer with a `table` looks
    W_ih x + b up in `weight_input`, which has the bias added then.

    Sigmoid gates are halved, because σ(a) = ½·tanh(½a) + ½ and NumPy's tanh is several times faster than its exp.
    `input_rows` and `recurrent_rows` say which rows of δ belong to W_ih and W_hh.
    """

    tape_type: ClassVar[type[Tape]] = Tape
    gate_count: ClassVar[int]
    input_order: ClassVar[tuple[int, ...]]  # part i of δ[input_rows] is PyTorch's gate input_order[i]
    recurrent_order: ClassVar[tuple[int, ...]]
    sigmoids: ClassVar[tuple[int, ...]] = ()  # PyTorch's gates that are sigmoids
    delta_blocks: ClassVar[int]  # gates in δ

    def __init__(self, parameters: Parameters, index: int, input_size: int, *, batch: int, table: bool) -> None:
        self.parameters, self.index, self.input_size, self.table = parameters, index, input_size, table
        self.hidden_size = size = parameters.architecture.hidden_size
        self.width = block_width(size, size, batch)
        self.blocks = size // self.width
        self.dtype = parameters.flat.dtype
        # NumPy is quicker with arrays of no dimension than with Python's numbers.
        self.half: Array = np.array(0.5, self.dtype)
        self.one: Array = np.array(1, self.dtype)
        self.delta_rows = self.delta_blocks * size
        self.input_rows = slice(self.delta_rows - len(self.input_order) * size, self.delta_rows)
        self.recurrent_rows = slice(0, len(self.recurrent_order) * size)
        self.input_blocks = len(self.input_order) * self.blocks
        self.weight_input: Array = np.zeros((self.input_blocks, input_size, self.width), self.dtype)
        self.bias: Array = np.zeros((self.input_blocks, 1, self.width), self.dtype)
        self._table_rows = self.weight_input.reshape(-1, self.width)
        recurrent = self.recurrent_rows.stop
        self.weight: Array = arrays.zeros((recurrent // self.width, size, self.width), self.dtype)
        # W_ih as it is, gate by gate in the order of δ: (G, H, X).
        self.weight_ih: Array = arrays.zeros(
            (len(self.input_order), *self.parameter("weight_ih").shape[1:]), self.dtype
        )
        self._back: Array = arrays.zeros((self.blocks, recurrent, self.width), self.dtype)
        count = splits(recurrent, batch, self.width)
        self.weight_back = self._back.reshape(self.blocks, count, -1, self.width).swapaxes(0, 1)
        self._halved = [*self._sigmoids(self.input_order, self.weight_input, self.bias)]
        self._halved += self._sigmoids(self.recurrent_order, self.weight)
        # For weight gradients, made when they are needed: what only looks at a network needs none.
        self._ones = self._scratch = self._by_code = np.empty((0, 0), self.dtype)
        self._by_state: TransposedProduct
        self._by_input: TransposedProduct

    def _sigmoids(self, order: tuple[int, ...], *matrices: Array) -> list[Array]:
        """The parts of working matrices that belong to sigmoids. They are neighbours in every order of gates."""
        places = [place for place, gate in enumerate(order) if gate in self.sigmoids]
        if not places:
            return []
        return [matrix[places[0] * self.blocks : (places[-1] + 1) * self.blocks] for matrix in matrices]

    def in_blocks(self, array: Array) -> Array:
        """A view (…, n, S, w) of (…, S, n·w)."""
        return array.reshape(*array.shape[:-1], array.shape[-1] // self.width, self.width).swapaxes(-2, -3)

    @staticmethod
    def in_rows(array: Array) -> Array:
        """(…, S, n·w) of (…, n, S, w): a copy, unless there is only one block."""
        rows = array.swapaxes(-2, -3)
        return rows.reshape(*rows.shape[:-2], rows.shape[-2] * rows.shape[-1])

    def parameter(self, kind: str, of: Parameters | None = None) -> Array:
        """Parameter `rnn.{kind}_l{index}` by gate: (G, H, …) in PyTorch's order."""
        array = (of or self.parameters)[f"rnn.{kind}_l{self.index}"]
        return array.reshape(self.gate_count, self.hidden_size, *array.shape[1:])

    def refresh(self, embedding: Array | None = None) -> None:
        """Rebuild the working matrices from the parameters; of a table, those rows that `embedding` (V, X) stands for.

        Without `embedding`, a table has a row for each input.
        """
        self.parameter("weight_ih").take(self.input_order, 0, self.weight_ih, "clip")
        if embedding is None:
            transpose(self.weight_ih, self.weight_input)
        else:
            by_block = self.weight_ih.reshape(self.input_blocks, self.width, -1)
            np.matmul(embedding, by_block.swapaxes(1, 2), out=self.weight_input)
        np.copyto(self.bias, self.input_bias()[list(self.input_order)].reshape(self.bias.shape))
        if self.table:
            np.add(self.weight_input, self.bias, out=self.weight_input)
        weight_hh, rows = self.parameter("weight_hh"), self.hidden_size
        for place, gate in enumerate(self.recurrent_order):
            part = weight_hh[gate]
            self._back[:, place * rows : (place + 1) * rows] = part.reshape(rows, self.blocks, -1).swapaxes(0, 1)
            if self.blocks > 1:  # while it is near
                transpose(part, self.weight[place * self.blocks : (place + 1) * self.blocks])
        if self.blocks == 1:
            transpose(self._back, self.weight)
        for halved in self._halved:
            np.multiply(halved, self.half, out=halved)

    def input_bias(self) -> Array:
        """The biases that act with the input, (G, H): both of PyTorch's, unless the cell treats them apart."""
        bias: Array = self.parameter("bias_ih") + self.parameter("bias_hh")
        return bias

    @abstractmethod
    def forward(self, tape: Tape, clamp: Clamps = ()) -> None:
        """Run T steps from the tape's first state."""

    @abstractmethod
    def backward(self, tape: Tape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        """Run back over the tape's first T steps. `d_outputs` (T, S, H): what the loss says of h_t directly."""

    def enter(self, tape: Tape, t: int) -> None:
        """Put W_ih x_t + b into `tape.entries[t]`."""
        into = tape.entries[t]
        if self.table:
            self._table_rows.take(tape.places[t], 0, into, "clip")  # "raise" would copy everything once more
        else:
            assert tape.inputs is not None
            if t == 0:
                np.copyto(tape.bias, self.bias)  # once for each sequence: arrays of one shape are added faster
            np.matmul(tape.inputs[t], self.weight_input, out=into)
            np.add(into, tape.bias, out=into)

    def pass_back(self, sweep: Sweep, t: int) -> None:
        """∂ℓ/∂h_{t−1} through δ_t of the recurrent rows, into `sweep.d_hidden`. There is nothing before t = 0."""
        if t == 0:
            return
        np.matmul(sweep.factors[t], self.weight_back, out=sweep.products)
        if sweep.summands:
            add_up(sweep.summands, sweep.d_hidden)

    def d_inputs(self, sweep: Sweep, out: Array | None = None) -> Array:
        """∂ℓ/∂x_t of all steps, (T, S, X), from the kept δ."""
        weight_ih = self.weight_ih.reshape(-1, self.input_size)
        seq, batch, _ = sweep.delta.shape
        delta = sweep.delta.reshape(seq * batch, -1)[:, self.input_rows]
        product: Array = np.matmul(delta, weight_ih, out=None if out is None else out.reshape(seq * batch, -1))
        return product.reshape(seq, batch, -1)

    def weight_gradients(self, tape: Tape, sweep: Sweep, gradient: Parameters, codes: Codes) -> Array:
        """Write ∂ℓ/∂W_hh and the biases' into `gradient`; return ∂ℓ/∂W_ih, (G·H, X), gates in `input_order`.

        For a table it is what each of its V rows gets, (G·H, V); `codes` (T, B) are the characters that were read.
        """
        size = self.hidden_size
        delta = sweep.delta.reshape(-1, self.delta_rows)
        states = tape.states[:-1].reshape(len(delta), -1)
        if len(self._ones) != len(delta):
            self._make_room(len(delta))
        if self.table:
            sums_by_code(delta, codes.ravel(), self._scratch, self._by_code)
            by_input = self._by_code[:, self.input_rows].T
            by_one = self._by_code.sum(axis=0)
        else:
            assert tape.inputs is not None
            inputs = tape.inputs.reshape(len(delta), -1)
            by_input = self._by_input(delta[:, self.input_rows], inputs)
            by_one = np.matmul(self._ones.T, delta)[0]
        by_state = self._by_state(delta[:, self.recurrent_rows], states)
        bias_ih, bias_hh = self.parameter("bias_ih", gradient), self.parameter("bias_hh", gradient)
        weight_hh = self.parameter("weight_hh", gradient)
        for place, gate in enumerate(self.input_order):
            bias_ih[gate] = by_one[self.input_rows][place * size : (place + 1) * size]
        for place, gate in enumerate(self.recurrent_order):
            rows = slice(place * size, (place + 1) * size)
            bias_hh[gate] = by_one[rows]
            weight_hh[gate] = by_state[rows]
        return by_input

    def _make_room(self, count: int) -> None:
        """Memory that is kept: a fresh piece each time is slower than it seems."""
        self._ones = np.ones((count, 1), self.dtype)
        self._by_state = TransposedProduct(count, self.recurrent_rows.stop, self.hidden_size, self.dtype)
        if self.table:
            self._scratch = np.empty((count, self.delta_rows), self.dtype)
            self._by_code = np.zeros((self.input_size, self.delta_rows), self.dtype)
        else:
            rows = len(self.input_order) * self.hidden_size
            self._by_input = TransposedProduct(count, rows, self.input_size, self.dtype)


def transpose(rows: Array, into: Array) -> None:
    """Put (G, H, K) into (n, K, w), a strip at a time: cache lines are then full when they are left."""
    columns = rows.reshape(into.shape[0], into.shape[2], into.shape[1]).swapaxes(1, 2)
    for start in range(0, into.shape[2], LANES):
        into[:, :, start : start + LANES] = columns[:, :, start : start + LANES]


def hold(blocks: Array, clamp: Clamps) -> None:
    """Fix some units of h, in blocks (n, B, w), at given values."""
    for unit, value in clamp:
        blocks[unit // blocks.shape[-1], :, unit % blocks.shape[-1]] = value
