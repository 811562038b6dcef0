"""What all cells share when they train: the working matrices of a layer, and its gradients from δ.

The work of a step is one product of h_{t−1} with W_hh of all gates. W_ih x_t is added to it: for layer 0 a row of a
table, for the others a product. The backward sweep keeps δ of all steps, so that the gradient of a weight matrix is one
product over T·B rows, made after the sweep, instead of T small ones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, Generic, TypeVar

import numpy as np

from engine import arrays
from engine.arrays import Array, Codes
from engine.network.cells.cell import Cell
from engine.network.cells.products import LANES, TransposedProduct, add_up
from engine.network.cells.tape import Layout, Sweep, Tape
from engine.network.numerics import sums_by_code

# Called in the backward sweep at each t, from T−1 down, with t, the gradients of the loss with respect to each of the
# cell's states, (S, H) each, and δ_t (S, rows). The arrays are overwritten afterwards: copy them to keep them.
Observer = Callable[[int, tuple[Array, ...], Array], None]
Clamps = tuple[tuple[int, float], ...]  # (unit, value) pairs held fixed in h
OwnTape = TypeVar("OwnTape", bound=Tape)


class Layer(Layout, ABC, Generic[OwnTape]):
    """One recurrent layer of H units over `weights`: PyTorch's `weight_ih`, `weight_hh`, `bias_ih` and `bias_hh`.

    A cell gives its description `cell` and its equations, `forward` and `backward`, over units in blocks (n, B, w).

    `refresh` makes working matrices from the weights, in blocks of columns too, for G gates: `weight_input`
    (G·n, X, w), `bias` (G·n, 1, w) and `weight_recurrent` (G·n, H, w), gates in `input_order` and `recurrent_order`;
    `weight_back` (summands, n, rows, w) is W_hh for the product with δ. The rows of sigmoid gates are halved in the
    first three, because σ(a) = ½·tanh(½a) + ½ and NumPy's tanh is several times faster than its exp: what a product
    gives is ½a at once, and the cell does the rest. `weight_back` is not halved: δ is ∂ℓ/∂a.

    Layer 0 may have a `table`. Its input is one of V characters, so that W_ih x + b has V values only. They are
    computed once a training step, into `weight_input`, and a time step copies rows of it instead of multiplying.
    """

    cell: ClassVar[Cell]

    def __init__(
        self, weights: Mapping[str, Array], index: int, input_size: int, *, batch: int, table: bool = False
    ) -> None:
        self.weights, self.index = weights, index
        hidden_size = weights["bias_ih"].size // len(self.cell.gates)
        super().__init__(self.cell, input_size, hidden_size, weights["bias_ih"].dtype, batch=batch, table=table)
        # NumPy is quicker with arrays of no dimension than with Python's numbers.
        self.half: Array = np.array(0.5, self.dtype)
        self.one: Array = np.array(1, self.dtype)
        self.weight_input: Array = np.zeros((self.gate_blocks, input_size, self.width), self.dtype)
        self.bias: Array = np.zeros((self.gate_blocks, 1, self.width), self.dtype)
        self._table_rows = self.weight_input.reshape(-1, self.width)
        self.weight_recurrent: Array = arrays.zeros((self.gate_blocks, hidden_size, self.width), self.dtype)
        # W_ih as it is, gate by gate in the order of δ: (G, H, X).
        self.weight_ih: Array = arrays.zeros(self.by_gate("weight_ih").shape, self.dtype)
        self._back: Array = arrays.zeros((self.blocks, self.recurrent_rows.stop, self.width), self.dtype)
        self.weight_back = self._back.reshape(self.blocks, self.summands, -1, self.width).swapaxes(0, 1)
        self._halved = [*self._sigmoids(self.input_order, self.weight_input, self.bias)]
        self._halved += self._sigmoids(self.recurrent_order, self.weight_recurrent)
        # Memory for weight gradients, which is allocated when they are first wanted: probes want none.
        self._ones = self._scratch = self._by_code = np.empty((0, 0), self.dtype)
        self._by_state: TransposedProduct
        self._by_input: TransposedProduct

    def _sigmoids(self, order: list[int], *matrices: Array) -> list[Array]:
        """The parts of working matrices that belong to sigmoid gates, which are neighbours in every order of δ."""
        places = [place for place, gate in enumerate(order) if self.cell.gates[gate] in self.cell.sigmoids]
        if not places:
            return []
        return [matrix[places[0] * self.blocks : (places[-1] + 1) * self.blocks] for matrix in matrices]

    def by_gate(self, kind: str, of: Mapping[str, Array] | None = None) -> Array:
        """A parameter of this layer, or of its gradient `of`, by gate in PyTorch's order: (G, H, …)."""
        array = (of or self.weights)[kind]
        return array.reshape(len(self.cell.gates), self.hidden_size, *array.shape[1:])

    def refresh(self, embedding: Array | None = None) -> None:
        """Rebuild the working matrices from the weights.

        The rows of a table are W_ih x + b for every row x of `embedding` (V, D); without it, for every one-hot input.
        """
        self.by_gate("weight_ih").take(self.input_order, 0, self.weight_ih, "clip")
        if embedding is None:
            transpose(self.weight_ih, self.weight_input)
        else:
            by_block = self.weight_ih.reshape(self.gate_blocks, self.width, -1)
            np.matmul(embedding, by_block.swapaxes(1, 2), out=self.weight_input)
        np.copyto(self.bias, self.input_bias()[self.input_order].reshape(self.bias.shape))
        if self.table:
            np.add(self.weight_input, self.bias, out=self.weight_input)
        weight_hh, rows = self.by_gate("weight_hh"), self.hidden_size
        for place, gate in enumerate(self.recurrent_order):
            part = weight_hh[gate]
            self._back[:, place * rows : (place + 1) * rows] = part.reshape(rows, self.blocks, -1).swapaxes(0, 1)
            if self.blocks > 1:  # while this gate's part is in the cache
                transpose(part, self.weight_recurrent[place * self.blocks : (place + 1) * self.blocks])
        if self.blocks == 1:
            transpose(self._back, self.weight_recurrent)
        for halved in self._halved:
            np.multiply(halved, self.half, out=halved)

    def input_bias(self) -> Array:
        """The bias b of W_ih x + b, (G, H): the sum of PyTorch's two, except where a cell needs them apart."""
        bias: Array = self.by_gate("bias_ih") + self.by_gate("bias_hh")
        return bias

    @abstractmethod
    def new_tape(self, seq: int, batch: int, inputs: Array | None) -> OwnTape:
        """A tape of this layer for T steps of B sequences that sees `inputs` (T, B, X)."""

    @abstractmethod
    def forward(self, tape: OwnTape, clamp: Clamps = ()) -> None:
        """Run all T steps from the tape's first state, with some units of h held fixed."""

    @abstractmethod
    def backward(self, tape: OwnTape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        """Sweep back over the tape's first T steps. `d_outputs` (T, S, H): ∂ℓ/∂h_t without what comes from t + 1."""

    def enter(self, tape: Tape, t: int) -> None:
        """Put W_ih x_t + b into `tape.entries[t]`."""
        into = tape.entries[t]
        if self.table:
            self._table_rows.take(tape.places[t], 0, into, "clip")  # "raise" would copy everything once more
        else:
            assert tape.inputs is not None
            if t == 0:
                np.copyto(tape.bias, self.bias)  # a row for each sequence: arrays of one shape are added faster
            np.matmul(tape.inputs[t], self.weight_input, out=into)
            np.add(into, tape.bias, out=into)

    def pass_back(self, sweep: Sweep, t: int) -> None:
        """Put W_hhᵀ δ_t, the part of ∂ℓ/∂h_{t−1} that goes through W_hh, into `sweep.d_hidden`; nothing at t = 0."""
        if t == 0:
            return
        np.matmul(sweep.factors[t], self.weight_back, out=sweep.products)
        if sweep.summands:
            add_up(sweep.summands, sweep.d_hidden)

    def d_inputs(self, sweep: Sweep, out: Array | None = None) -> Array:
        """∂ℓ/∂x_t of all steps, (T, S, X), from δ of all steps. `out` may give the memory for it."""
        weight_ih = self.weight_ih.reshape(-1, self.input_size)
        seq, batch, _ = sweep.delta.shape
        delta = sweep.delta.reshape(seq * batch, -1)[:, self.input_rows]
        product: Array = np.matmul(delta, weight_ih, out=None if out is None else out.reshape(seq * batch, -1))
        return product.reshape(seq, batch, -1)

    def weight_gradients(self, tape: OwnTape, sweep: Sweep, gradient: Mapping[str, Array], codes: Codes) -> Array:
        """Write the gradients of `weight_hh`, `bias_ih`, `bias_hh` into `gradient`; return that of W_ih.

        It is (G·H, X) with gates in `input_order`, a view of memory that the next call overwrites. With a table, its
        column k is the gradient of row k, (G·H, V); `codes` (T, B) are the characters that were read.
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
        bias_ih, bias_hh = self.by_gate("bias_ih", gradient), self.by_gate("bias_hh", gradient)
        weight_hh = self.by_gate("weight_hh", gradient)
        for place, gate in enumerate(self.input_order):
            bias_ih[gate] = by_one[self.input_rows][place * size : (place + 1) * size]
        for place, gate in enumerate(self.recurrent_order):
            rows = slice(place * size, (place + 1) * size)
            bias_hh[gate] = by_one[rows]
            weight_hh[gate] = by_state[rows]
        return by_input

    def _make_room(self, count: int) -> None:
        """Allocate for T·B = `count` rows. Memory is kept: the first touch of fresh pages costs more than their use."""
        self._ones = np.ones((count, 1), self.dtype)
        self._by_state = TransposedProduct(count, self.recurrent_rows.stop, self.hidden_size, self.dtype)
        if self.table:
            self._scratch = np.empty((count, self.delta_rows), self.dtype)
            self._by_code = np.zeros((self.input_size, self.delta_rows), self.dtype)
        else:
            rows = len(self.input_order) * self.hidden_size
            self._by_input = TransposedProduct(count, rows, self.input_size, self.dtype)


def transpose(rows: Array, into: Array) -> None:
    """Put (G, H, K) into (n, K, w), in strips of `LANES` columns: each cache line is written whole and once."""
    columns = rows.reshape(into.shape[0], into.shape[2], into.shape[1]).swapaxes(1, 2)
    for start in range(0, into.shape[2], LANES):
        into[:, :, start : start + LANES] = columns[:, :, start : start + LANES]


def hold(blocks: Array, clamp: Clamps) -> None:
    """Hold some units of h, which is in blocks (n, B, w), at given values."""
    for unit, value in clamp:
        blocks[unit // blocks.shape[-1], :, unit % blocks.shape[-1]] = value
