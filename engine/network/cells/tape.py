"""The arrays of one layer: those that its forward pass keeps, and those of its backward sweep.

All are allocated once. The arrays of one step are (B, U), for each gate, state or part of δ one after the other. A
product is written into such an array in n blocks of w neighbouring columns: a product for so few units is small enough
for OpenBLAS to multiply the weights where they lie (`products.py`).

In float32 the tape of a layer takes 4·T·B·(1 + F)·H bytes; F is the cell's `tape_floats`. The backward sweep takes
4·T·B·(1 + D)·H more, for all layers together; D is the cell's `delta_floats`. A layer with a table also needs a copy of
δ, with its rows in the order of the characters.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine import arrays
from engine.arrays import Array, Codes
from engine.network.cells.cell import Cell
from engine.network.cells.group import UnitGroup
from engine.network.cells.products import block_width, padded, splits, steps_together

IN_CACHE = 1 << 16  # numbers of an array of which a few fit into the inner caches: smaller ones need more calls


class Layout:
    """The sizes of one layer's arrays: X inputs, H units, whose products are in n `blocks` of w = `width` columns.

    The blocks are chosen to be fastest with `batch` sequences. A layer with a `table` has X = V rows in it, one for
    each character. If a `group` of processes divides the units, this process has those in the slice `own`, U = `units`
    in number and in one block; otherwise U = H.

    δ_t has `delta_rows` numbers for each sequence. Those in `input_rows` are the gradient of W_ih x_t, with the gates
    in `input_order`; those in `recurrent_rows` are the gradient of W_hh h_{t−1}, with the gates in `recurrent_order`.
    The two orders hold indices into PyTorch's list of gates. A cell without W_hh has no recurrent rows, and one block.
    """

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        dtype: np.dtype[Any],
        *,
        batch: int,
        table: bool,
        group: UnitGroup,
    ) -> None:
        self.group, self.own = group, group.part(hidden_size)
        self.divided = group.size > 1
        self.input_size, self.hidden_size, self.dtype, self.table = input_size, hidden_size, dtype, table
        self.state_count, self.recurrent = len(cell.states), cell.recurrent
        self.units = self.own.stop - self.own.start
        whole = self.divided or not cell.recurrent
        self.width = self.units if whole else block_width(self.units, hidden_size, batch)
        self.blocks = self.units // self.width
        self.gate_count, self.part_count = len(cell.gates), len(cell.delta)
        gates = self.gate_count
        self.input_order = [cell.gates.index(gate) for gate in cell.delta[-gates:]]
        self.recurrent_order = [cell.gates.index(gate) for gate in cell.delta[:gates]] if cell.recurrent else []
        self.delta_rows = len(cell.delta) * hidden_size
        self.input_rows = slice(self.delta_rows - gates * hidden_size, self.delta_rows)
        self.recurrent_rows = slice(0, len(self.recurrent_order) * hidden_size)
        # The summands of the product of δ and W_hh.
        self.summands = 1 if self.divided else splits(gates * hidden_size, batch, self.width)

    def in_parts(self, array: Array) -> Array:
        """A view (…, k, B, U), of this process's units, of (…, B, k·H)."""
        *others, count = array.shape
        return array.reshape(*others, count // self.hidden_size, self.hidden_size)[..., self.own].swapaxes(-2, -3)

    def in_blocks(self, array: Array) -> Array:
        """A view (…, n, B, w) of (…, B, U): what a product in blocks of columns is written into."""
        return array.reshape(*array.shape[:-1], self.blocks, self.width).swapaxes(-2, -3)

    def room(self, gates: Array) -> Array | None:
        """Memory (T, B, rows of δ) for δ where the `gates` (T, …, B, U) lie; None if processes must share δ."""
        return None if self.divided else gates.reshape(len(gates), gates.shape[2], self.delta_rows)


def steps_in_cache(seq: int, floats: int) -> int:
    """For how many of `seq` time steps arrays of `floats` numbers a step fit into the inner caches, at least one."""
    return max(1, min(seq, IN_CACHE // max(1, floats)))


class Tape:
    """The arrays that one layer's forward pass over T steps of B sequences keeps for the backward sweep.

    `states` (T+1, B, H) is h_{−1} … h_{T−1}, and `outputs` (T, B, H) is all but the first of them; the processes of a
    group share them. `hidden` has a view (B, U) of this process's units of each. `inputs` (T, B, X) is the layer's
    input; it is None if the layer looks W_ih x + b up in a table, in the rows `places`. `entries` has the array for
    each step into which W_ih x_t + b is written.

    The subclass of a cell fills `entries`. A cell that keeps more than h also fills three others. `by_kind` has the
    gates and the states other than h over all steps, (T, B, U) by name. `other_states` has those states again, from
    step −1 on, (T+1, B, U). `room` (T, B, rows of δ) is memory of the tape in which the sweep may put δ_t, because
    it no longer needs step t; the order of the numbers that lie there before means nothing.
    """

    def __init__(self, layout: Layout, seq: int, batch: int, inputs: Array | None) -> None:
        dtype, gates, units = layout.dtype, layout.gate_count, layout.units
        self.inputs = inputs
        self.states: Array = layout.group.zeros((seq + 1, batch, layout.hidden_size), dtype)
        self.outputs = self.states[1:]
        self.own = layout.own
        self.hidden = list(self.states[:, :, layout.own])
        # A process that has some units only computes h_t in memory of its own, and then copies it into the rows of all
        # units, where the next step's product reads it.
        fresh: Array = arrays.aligned((batch, units), dtype)
        self.fresh = [fresh] * (seq + 1) if layout.divided else self.hidden
        self.places: Codes = np.zeros((seq, gates, batch), np.intp)
        self._tables = np.arange(gates)[:, None] * layout.input_size
        # W_hh h_{t−1} of one step is `recurrent`. The product has a few rows more if it is faster then: they are those
        # of the first sequences in the step after, and nothing reads what becomes of them.
        rows, all_states = padded(batch, layout.hidden_size, layout.width), self.states.reshape(-1, layout.hidden_size)
        self.factors = [all_states[t * batch : t * batch + rows] for t in range(seq)]
        products: Array = arrays.aligned((gates, rows, units), dtype)
        self.products, self.recurrent = layout.in_blocks(products), products[:, :batch]
        # W_ih x_t of the steps that are multiplied together, and b repeated for each sequence.
        above = 0 if layout.table else gates
        self.together = min(seq, steps_together(batch))
        self.entering: Array = arrays.aligned((above, self.together * batch, units), dtype)
        self.entering_products = layout.in_blocks(self.entering)
        self.bias: Array = arrays.aligned((above, batch, units), dtype)
        self.entries: list[Array] = []
        self.by_kind: dict[str, Array] = {}
        self.other_states: tuple[Array, ...] = ()
        self.room: Array | None = None

    def look_up(self, codes: Codes) -> None:
        """Choose the rows of the table for the characters `codes` (T, B)."""
        np.add(codes[:, None], self._tables, out=self.places)

    def values(self, kind: str) -> Array:
        """A state or gate over all steps, (T, B, U). Raises `KeyError` if the cell has none of that name."""
        return self.outputs if kind == "h" else self.by_kind[kind]

    def reset(self) -> None:
        """Make the next forward pass start from a zero state."""
        self.hidden[0][...] = 0
        for state in self.other_states:
            state[0] = 0

    def carry(self) -> None:
        """Make the next forward pass start from the state in which the last one ended."""
        self.hidden[0][...] = self.hidden[-1]
        for state in self.other_states:
            state[0] = state[-1]

    def end_state(self) -> tuple[Array, ...]:
        """The state after the last step, (h,) or (h, c), views (B, U): the next forward pass changes them."""
        return (self.hidden[-1], *(state[-1] for state in self.other_states))

    def restore(self, state: tuple[Array, ...]) -> None:
        """Set the end state to `state`, (h,) or (h, c), each (B, U), for the next `carry`."""
        self.hidden[-1][...] = state[0]
        for own, given in zip(self.other_states, state[1:], strict=True):
            own[-1] = given


class Sweep:
    """The arrays of one layer's backward sweep with S rows of gradient.

    In training S = B. A probe may send many losses back at once over a tape of batch 1, one row for each loss.

    `d_states` has ∂ℓ/∂h and, for cells with c, ∂ℓ/∂c, of the present step, (S, U) each; `d_hidden` is the first of
    them. `delta` (T, S, rows) keeps δ of all steps, for weight gradients and the layer below; it lies in `room` if that
    is given. With `keep_delta` false it has room for one step, which every step overwrites. For each step there are
    three views of `delta`: `rows` (S, rows), `parts` (K, S, U) with the K parts of δ, and `factors` in the shape of the
    product with W_hh. With `for_weights` only the gradients of the weights are wanted: a layer with a table may keep in
    `delta` whatever it computes them from.
    """

    def __init__(
        self,
        layout: Layout,
        seq: int,
        rows: int,
        *,
        keep_delta: bool = True,
        room: Array | None = None,
        for_weights: bool = False,
    ) -> None:
        self.for_weights = for_weights
        units, dtype, count = layout.units, layout.dtype, layout.summands
        # As in the forward pass, the product with W_hh may have rows that nothing reads: of the δ of the step after.
        inner = layout.recurrent_rows.stop
        padding = padded(rows, inner, layout.width) - rows if keep_delta and count * layout.blocks == 1 else 0
        with_padding: Array = arrays.aligned((rows + padding, units), dtype)
        self.d_hidden = with_padding[:rows]
        others = [arrays.aligned((rows, units), dtype) for _ in range(layout.state_count - 1)]
        self.d_states: list[Array] = [self.d_hidden, *others]
        # δ_t while it is computed, and scratch; where no weights multiply h_{t−1}, for several steps together.
        self.together = steps_in_cache(seq, rows * units) if keep_delta and not layout.recurrent else 1
        self.scratch: Array = arrays.aligned((self.together, rows, units), dtype)
        self.step_delta: Array = arrays.aligned((self.together * layout.part_count, rows, units), dtype)
        steps = seq if keep_delta else 1
        self.delta: Array = layout.group.zeros((steps, rows, layout.delta_rows), dtype) if room is None else room
        by_state = self.delta[:, :, layout.recurrent_rows].reshape(steps, rows, count, -1).swapaxes(1, 2)
        self.rows = list(self.delta) * (seq // steps)
        self.parts = list(layout.in_parts(self.delta)) * (seq // steps)
        self.factors = list(by_state[:, :, None]) * (seq // steps)
        # A single product is written straight into ∂ℓ/∂h_{t−1}; several are added up there.
        products: Array = self.d_hidden[None] if count == 1 else arrays.aligned((count, rows, units), dtype)
        self.products = [layout.in_blocks(products)] * seq
        self.summands = list(products) if count > 1 else []
        if padding:
            all_delta = self.delta.reshape(-1, layout.delta_rows)[:, layout.recurrent_rows]
            for t in range(seq - 1):  # no step is after the last one
                self.factors[t] = all_delta[None, None, t * rows : (t + 1) * rows + padding]
                self.products[t] = layout.in_blocks(with_padding[None])
