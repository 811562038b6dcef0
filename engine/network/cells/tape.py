"""What a layer keeps of its way forward, and works with on its way back: arrays of all steps, allocated once.

The arrays of one step have the units in blocks: (n, B, w), n blocks of w neighbouring units. A product of so few
units at a time is small enough for OpenBLAS to multiply the weights where they lie; a larger one it would first copy.

In float32 the tape of a layer takes 4·T·B·(F + 1)·H bytes, with F = 5 for the gru, 6 for the lstm, and for the rnn 0,
or 1 where it has several blocks; the gradients on the way back 4·T·B·(1 + D)·H more for all layers, with D = 1 for the
rnn. The others keep δ where the gates were that it was made of: what was just read is the quickest to write to. A layer
with a table needs as much as its δ once more, to put that in the order of the characters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine import arrays
from engine.arrays import Array, Codes

if TYPE_CHECKING:
    from engine.network.cells.layer import Layer

TOGETHER = 5  # steps whose arithmetic is done at once where they do not wait for each other; more leave the caches


class Tape:
    """What one layer's forward pass over T steps of B sequences keeps for the way back.

    `states` (T+1, B, H): h_{−1} … h_{T−1}; `outputs` (T, B, H) is all but the first. `inputs` (T, B, X) is
    what the layer sees, or None where it looks the input's part up in a table, at `places`.
    `hidden` has h_{−1} … h_{T−1} in blocks, `entries` where the input's part of each step goes. `room` (T, B, rows)
    is where δ may be kept, over what the way back has read by then, if there is such a place.
    """

    def __init__(self, layer: Layer, seq: int, batch: int, inputs: Array | None) -> None:
        self.inputs = inputs
        self.states: Array = arrays.zeros((seq + 1, batch, layer.hidden_size), layer.dtype)
        self.outputs = self.states[1:]
        self.hidden = list(layer.in_blocks(self.states))
        # As it is computed fastest: in place where there is one block, elsewhere before it is copied.
        fresh: Array = np.empty((layer.blocks, batch, layer.width), layer.dtype)
        self.fresh = self.hidden if layer.blocks == 1 else [fresh] * (seq + 1)
        self.places: Codes = np.zeros((seq, layer.input_blocks, batch), np.intp)
        self._tables = np.arange(layer.input_blocks)[:, None] * layer.input_size
        self.recurrent: Array = np.empty((len(layer.weight), batch, layer.width), layer.dtype)  # W_hh h, for a moment
        self.entries: list[Array] = []
        self.room: Array | None = None
        self.bias: Array = np.empty((0 if layer.table else layer.input_blocks, batch, layer.width), layer.dtype)

    def look_up(self, codes: Codes) -> None:
        """Say which rows of the table the characters `codes` (T, B) stand for."""
        np.add(codes[:, None], self._tables, out=self.places)

    def reset(self) -> None:
        """Start from a zero state."""
        self.hidden[0][...] = 0

    def carry(self) -> None:
        """Start where the last window ended."""
        self.hidden[0][...] = self.hidden[-1]

    def end_state(self) -> tuple[Array, ...]:
        """The state after the last step, until there is another: (h,) or (h, c), each (B, H)."""
        return (self.states[-1],)

    def restore(self, state: tuple[Array, ...]) -> None:
        """Make `state` the one that the next `carry` starts from."""
        self.states[-1] = state[0]


class Sweep:
    """Workspace of one layer's backward sweep with S rows of gradient.

    Training has S = B. A probe may run many losses at once over a tape of batch 1: one row a loss.
    `delta` (T, S, rows) is kept, in `room` if that is given, where weight gradients are wanted or a layer is below;
    otherwise it has one step, which each overwrites. `rows`, `blocks` and `factors` are its views of each step:
    (S, rows), in blocks, and as W_hh meets it.
    """

    def __init__(
        self, layer: Layer, seq: int, rows: int, *, keep_delta: bool = True, room: Array | None = None
    ) -> None:
        width, dtype = layer.width, layer.dtype
        step = (layer.blocks, rows, width)
        self.d_hidden: Array = np.zeros(step, dtype)
        self.d_cell: Array = np.zeros(step, dtype)
        self.scratch: Array = np.zeros(step, dtype)
        self.step_delta: Array = np.zeros((layer.delta_blocks * layer.blocks, rows, width), dtype)
        steps = seq if keep_delta else 1
        self.delta: Array = arrays.zeros((steps, rows, layer.delta_rows), dtype) if room is None else room
        count = len(layer.weight_back)
        by_state = self.delta[:, :, layer.recurrent_rows].reshape(steps, rows, count, -1).swapaxes(1, 2)
        self.rows = list(self.delta) * (seq // steps)
        self.blocks = list(layer.in_blocks(self.delta)) * (seq // steps)
        self.factors = list(by_state[:, :, None]) * (seq // steps)
        # Where what W_hh says of ∂ℓ/∂h is one product, it goes where it belongs; several are added up.
        self.products: Array = self.d_hidden[None] if count == 1 else np.zeros((count, *step), dtype)
        self.summands = list(self.products) if count > 1 else []
