"""What all cells share when they train: the working matrices of a layer, and its gradients from δ.

Layer 0 takes W_ih x_t from a table, the other layers compute a product. A recurrent layer adds W_hh h_{t−1} of all
gates to it: that product is most of a step's work. The backward sweep keeps δ of all steps. So the gradient of a weight
matrix is one product over T·B rows after the sweep, instead of T small ones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, Generic, TypeVar

import numpy as np

from engine import arrays
from engine.arrays import Array, Codes
from engine.network.cells.cell import Cell
from engine.network.cells.group import ALONE, UnitGroup
from engine.network.cells.products import TILE, TransposedProduct, add_up, multiply_rows
from engine.network.cells.tape import Layout, Sweep, Tape
from engine.network.numerics import sums_by_code

# A callback of the backward sweep, for each t from T−1 down to 0. Its arguments are t; the gradients of the loss with
# respect to each of the cell's states after step t, (S, H) each; and δ_t (S, rows). The sweep overwrites the arrays
# afterwards: copy them to keep them.
Observer = Callable[[int, tuple[Array, ...], Array], None]
Clamps = tuple[tuple[int, float], ...]  # (unit, value) pairs held fixed in h
OwnTape = TypeVar("OwnTape", bound=Tape)


class Layer(Layout, ABC, Generic[OwnTape]):
    """One layer of H units over `weights`, its parameters in PyTorch's names, shapes and order of gates.

    The subclass of a cell defines its description `cell` and its equations, `forward` and `backward`. `refresh` copies
    the weights into working matrices, in which the part of each sigmoid gate is scaled for the sake of speed.

    Layer 0 may have a `table`. Its input is one of V characters, so W_ih x + b has only V values. `refresh` computes
    them, and a time step copies rows of the table instead of multiplying.

    The processes of a `group` divide the units: each runs `forward` and `backward` for its own ones. All other methods
    divide the time steps, so the gradients of the processes have to be added up.
    """

    cell: ClassVar[Cell]

    def __init__(
        self,
        weights: Mapping[str, Array],
        index: int,
        input_size: int,
        *,
        batch: int,
        table: bool = False,
        group: UnitGroup = ALONE,
    ) -> None:
        self.weights, self.index = weights, index
        hidden_size = weights["bias_ih"].size // len(self.cell.gates)
        dtype = weights["bias_ih"].dtype
        super().__init__(self.cell, input_size, hidden_size, dtype, batch=batch, table=table, group=group)
        # NumPy computes faster with arrays of no dimension than with Python's numbers.
        self.half: Array = np.array(0.5, self.dtype)
        self.one: Array = np.array(1, self.dtype)
        # W_ih as it is, gate by gate in the order of δ: (G, H, X).
        self.weight_ih: Array = arrays.zeros(self.by_gate("weight_ih").shape, self.dtype)
        # Memory for weight gradients is allocated when they are first computed: probes compute none.
        self._ones = self._scratch = self._by_code = np.empty((0, 0), self.dtype)
        self._by_input: TransposedProduct
        self.make_matrices()

    def by_gate(self, kind: str, of: Mapping[str, Array] | None = None) -> Array:
        """Parameter `kind` of this layer, by gate in PyTorch's order: (G, H, …); with `of`, its gradient in `of`."""
        array = (of or self.weights)[kind]
        return array.reshape(len(self.cell.gates), self.hidden_size, *array.shape[1:])

    @abstractmethod
    def make_matrices(self) -> None:
        """Allocate the working matrices, which `refresh` fills."""

    @abstractmethod
    def refresh(self, embedding: Array | None = None) -> None:
        """Rebuild the working matrices from the weights.

        The rows of a table are W_ih x + b for every row x of `embedding` (V, D), or for every one-hot x if it is None.
        """

    @abstractmethod
    def new_tape(self, seq: int, batch: int, inputs: Array | None) -> OwnTape:
        """A tape for T = `seq` steps of B = `batch` sequences; `inputs` (T, B, X) is None for a layer with a table."""

    @abstractmethod
    def forward(self, tape: OwnTape, clamp: Clamps = ()) -> None:
        """Run all T steps from the tape's first state; the units of `clamp` are held at their values in h."""

    @abstractmethod
    def backward(self, tape: OwnTape, sweep: Sweep, d_outputs: Array, observe: Observer | None = None) -> None:
        """Sweep back over the tape's first T steps, and put δ into `sweep`.

        `d_outputs` (T, S, H), of all units, is ∂ℓ/∂h_t without the part that comes back from step t + 1. S may be more
        than the tape's B: a probe sweeps back over one sequence for many losses, and does so again. So products of
        gradients belong into memory of the sweep (`scratch`, `step_delta`), and the tape is written only through
        `sweep.parts`.
        """

    def d_inputs(self, sweep: Sweep, out: Array | None = None) -> Array:
        """∂ℓ/∂x_t of this process's steps, (T, S, X), from δ of these steps. `out` may give the memory for it."""
        weight_ih = self.weight_ih.reshape(-1, self.input_size)
        delta = sweep.delta[self.group.part(len(sweep.delta))]
        seq, batch, _ = delta.shape
        rows = delta.reshape(seq * batch, self.delta_rows)[:, self.input_rows]
        product: Array = np.empty((seq, batch, self.input_size), self.dtype) if out is None else out
        multiply_rows(rows, weight_ih, product.reshape(len(rows), self.input_size))
        return product

    def weight_gradients(self, tape: OwnTape, sweep: Sweep, gradient: Mapping[str, Array], codes: Codes) -> Array:
        """Write the gradients of all parameters but `weight_ih` into `gradient`; return the gradient of W_ih.

        The result is (G·H, X), with gates in `input_order`; the next call overwrites its memory. With a table, the
        result is (G·H, V), and column k is the gradient of the table's row k. `codes` (T, B) are the characters read.
        In a group these are sums over this process's steps.
        """
        size, steps = self.hidden_size, self.group.part(len(sweep.delta))
        delta = sweep.delta[steps].reshape(-1, self.delta_rows)
        if self._ones.shape != (len(delta), 1):
            self._make_room(len(delta))
        if self.table:
            sums_by_code(delta, codes[steps].ravel(), self._scratch, self._by_code)
            by_input = self._by_code[:, self.input_rows].T
            by_one = self._by_code.sum(axis=0)
        else:
            assert tape.inputs is not None
            inputs = tape.inputs[steps].reshape(len(delta), self.input_size)
            by_input = self._by_input(delta[:, self.input_rows], inputs)
            by_one = np.matmul(self._ones.T, delta)[0]
        bias_ih = self.by_gate("bias_ih", gradient)
        for place, gate in enumerate(self.input_order):
            bias_ih[gate] = by_one[self.input_rows][place * size : (place + 1) * size]
        self.recurrent_gradients(tape.states[:-1][steps], delta, by_one, gradient)
        return by_input

    def recurrent_gradients(self, states: Array, delta: Array, by_one: Array, gradient: Mapping[str, Array]) -> None:
        """Write the gradients of `weight_hh` and `bias_hh` into `gradient`, if the cell has them.

        `states` (T, B, H) has h_{t−1} of these steps, `delta` (T·B, rows) their δ, and `by_one` (rows,) its sum.
        """

    def _make_room(self, count: int) -> None:
        """Allocate memory for T·B = `count` rows. It is kept, because the first touch of a new page is slow."""
        self._ones = np.ones((count, 1), self.dtype)
        if self.table:
            self._scratch = arrays.aligned((count, self.delta_rows), self.dtype)
            self._by_code = arrays.aligned((self.input_size, self.delta_rows), self.dtype)
        else:
            rows = len(self.input_order) * self.hidden_size
            self._by_input = TransposedProduct(count, rows, self.input_size, self.dtype)


class RecurrentLayer(Layer[OwnTape]):
    """A layer whose gates see h_{t−1} through `weight_hh` and `bias_hh`.

    The working matrices of its G gates are in n blocks of w columns. `weight_input` (G, n, X, w) and `bias` (G, 1, U)
    have the gates in `input_order`, `weight_recurrent` (G, n, H, w) in `recurrent_order`. `weight_back` (summands, n,
    rows, w) is W_hh for the product with δ. All of them are for this process's units only. In the first three the part
    of each sigmoid gate is halved, so that a product gives ½a instead of a: σ(a) = ½·tanh(½a) + ½, and NumPy's tanh is
    several times faster than its exp. `weight_back` is not halved, because δ is ∂ℓ/∂a. A table lies in `weight_input`,
    with X = V and in one block.
    """

    def make_matrices(self) -> None:
        gates, blocks = self.gate_count, 1 if self.table else self.blocks
        self.weight_input: Array = arrays.aligned((gates, blocks, self.input_size, self.units // blocks), self.dtype)
        self.bias: Array = arrays.aligned((gates, 1, self.units), self.dtype)
        self._table_rows = self.weight_input.reshape(-1, self.units) if self.table else self.bias[0]
        self.weight_recurrent: Array = arrays.zeros((gates, self.blocks, self.hidden_size, self.width), self.dtype)
        self._back: Array = arrays.zeros((self.blocks, self.recurrent_rows.stop, self.width), self.dtype)
        self.weight_back = self._back.reshape(self.blocks, self.summands, -1, self.width).swapaxes(0, 1)
        self._halved = [*self._sigmoids(self.input_order, self.weight_input, self.bias)]
        self._halved += self._sigmoids(self.recurrent_order, self.weight_recurrent)
        self._by_state: TransposedProduct

    def _sigmoids(self, order: list[int], *matrices: Array) -> list[Array]:
        """The parts of working matrices that belong to sigmoid gates, which are neighbours in either order."""
        places = [place for place, gate in enumerate(order) if self.cell.gates[gate] in self.cell.sigmoids]
        if not places:
            return []
        return [matrix[places[0] : places[-1] + 1] for matrix in matrices]

    def refresh(self, embedding: Array | None = None) -> None:
        self.by_gate("weight_ih").take(self.input_order, 0, self.weight_ih, "clip")
        own = self.own
        if embedding is None:
            transpose(self.weight_ih[:, own], self.weight_input)
        else:
            np.matmul(embedding, self.weight_ih[:, own].swapaxes(1, 2), out=self.weight_input[:, 0])
        np.copyto(self.bias, self.input_bias()[self.input_order, own][:, None])
        if self.table:
            np.add(self.weight_input, self.bias[:, None], out=self.weight_input)
        weight_hh, rows = self.by_gate("weight_hh"), self.hidden_size
        for place, gate in enumerate(self.recurrent_order):
            part = weight_hh[gate]
            by_block = part[:, own].reshape(rows, self.blocks, -1)
            self._back[:, place * rows : (place + 1) * rows] = by_block.swapaxes(0, 1)
            transpose(part[own][None], self.weight_recurrent[place : place + 1])  # while this part is in the cache
        for halved in self._halved:
            np.multiply(halved, self.half, out=halved)

    def input_bias(self) -> Array:
        """The bias b of W_ih x + b, (G, H): `bias_ih` + `bias_hh`, unless a cell overrides this to keep them apart."""
        bias: Array = self.by_gate("bias_ih") + self.by_gate("bias_hh")
        return bias

    def enter(self, tape: Tape, t: int) -> None:
        """Put W_ih x_t + b into `tape.entries[t]`."""
        into = tape.entries[t]
        if self.table:
            self._table_rows.take(tape.places[t], 0, into, "clip")  # mode "raise" would copy everything once more
        else:
            assert tape.inputs is not None
            if t == 0:
                np.copyto(tape.bias, self.bias)  # repeated for each sequence: arrays of one shape are added faster
            place, batch = t % tape.together, into.shape[1]
            if place == 0:  # one product for this step and some after it
                inputs = tape.inputs[t : t + tape.together].reshape(-1, self.input_size)
                np.matmul(inputs, self.weight_input, out=tape.entering_products[:, :, : len(inputs)])
            np.add(tape.entering[:, place * batch : (place + 1) * batch], tape.bias, out=into)

    def recur(self, tape: Tape, t: int) -> None:
        """Put W_hh h_{t−1} into `tape.recurrent`, once all processes of the group have computed h_{t−1}."""
        self.group.barrier()
        np.matmul(tape.factors[t], self.weight_recurrent, out=tape.products)

    def pass_back(self, sweep: Sweep, t: int) -> None:
        """Put W_hhᵀ δ_t, the part of ∂ℓ/∂h_{t−1} that goes through W_hh, into `sweep.d_hidden`; nothing at t = 0.

        It waits until all processes of the group have computed δ_t.
        """
        if t == 0:
            return
        self.group.barrier()
        np.matmul(sweep.factors[t], self.weight_back, out=sweep.products[t])
        if sweep.summands:
            add_up(sweep.summands, sweep.d_hidden)

    def recurrent_gradients(self, states: Array, delta: Array, by_one: Array, gradient: Mapping[str, Array]) -> None:
        size = self.hidden_size
        by_state = self._by_state(delta[:, self.recurrent_rows], states.reshape(len(delta), size))
        weight_hh, bias_hh = self.by_gate("weight_hh", gradient), self.by_gate("bias_hh", gradient)
        for place, gate in enumerate(self.recurrent_order):
            rows = slice(place * size, (place + 1) * size)
            bias_hh[gate] = by_one[rows]
            weight_hh[gate] = by_state[rows]

    def _make_room(self, count: int) -> None:
        super()._make_room(count)
        self._by_state = TransposedProduct(count, self.recurrent_rows.stop, self.hidden_size, self.dtype)


def transpose(rows: Array, into: Array) -> None:
    """Transpose `rows` (G, H, K) into `into` (G, n, K, w), in strips of `TILE`: each cache line is written once."""
    gates, blocks, inner, width = into.shape
    columns = rows.reshape(gates, blocks, width, inner).swapaxes(2, 3)
    for start in range(0, width, TILE):
        into[..., start : start + TILE] = columns[..., start : start + TILE]


def hold(h: Array, clamp: Clamps) -> None:
    """Set the units of `clamp` in h (B, H) to their values."""
    for unit, value in clamp:
        h[:, unit] = value
