"""What a layer keeps of its way forward, and works with on its way back: arrays of all steps, allocated once.

In float32 the tape of a layer with input width X takes 4·T·B·(X + 1 + H + F·H) bytes, with F = 1 for the rnn, 5 for
the gru and 6 for the lstm; the sweep, one for all layers, 4·T·B·(1 + D)·H, with D = 1, 4 and 4 blocks in δ. A team
of N shares this; where a layer passes its gradient on, 4·N·T·B·max(H, width of the embedding) bytes come on top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine import pages
from engine.parameters import Array

if TYPE_CHECKING:
    from engine.cells.layer import Layer

SMALL = 100**3  # up to so many multiplications OpenBLAS multiplies two matrices without copying them first
MOST_BLOCKS, FEWEST_ROWS = 4, 48


def blocks(rows: int, inner: int, columns: int) -> int:
    """Into how many products of equally many rows (rows, inner)·(inner, columns) is best divided."""
    for count in range(1, MOST_BLOCKS + 1):
        height = rows // count
        if rows % count == 0 and height >= FEWEST_ROWS and height * inner * columns <= SMALL:
            return count
    return 1


class Tape:
    """What one layer's forward pass over T steps of B sequences keeps for the way back.

    `stacked` (X+1+H, T+1, B): [x_t; 1; h_{t−1}] of each step; the last has only h_{T−1}. `inputs` (X, T, B) and
    `outputs` (H, T, B) are views of x_t and h_t in it. `hidden` has the own units' h_{−1} … h_{T−1}, each (H, B).
    """

    def __init__(self, layer: Layer, seq: int, batch: int) -> None:
        width, team = layer.input_size, layer.team
        self.seq, self.batch, self.units = seq, batch, layer.units
        self.stacked: Array = team.zeros((width + 1 + layer.hidden_size, seq + 1, batch), layer.dtype)
        if team.rank == 0:
            self.stacked[width] = 1
        self.columns = [self.stacked[:, t] for t in range(seq)]
        self.inputs = self.stacked[:width, :-1]
        self.outputs = self.stacked[width + 1 :, 1:]
        own = self.stacked[width + 1 :][layer.units]
        self.hidden = [own[:, t] for t in range(seq + 1)]
        self.last_hidden = self.stacked[width + 1 :, -1]
        # The forward matrix in blocks: what multiplies a column of `stacked`.
        self.blocks = blocks(len(layer.weight), len(self.stacked), batch)
        self.weight = layer.weight.reshape(self.blocks, -1, len(self.stacked))

    def reset(self) -> None:
        """Start from a zero state."""
        self.hidden[0][...] = 0

    def carry(self) -> None:
        """Start where the last window ended."""
        self.hidden[0][...] = self.hidden[-1]

    def end_state(self) -> tuple[Array, ...]:
        """Copies of the state after the last step: (h,) or (h, c), each (H, B)."""
        return (self.last_hidden.copy(),)

    def restore(self, state: tuple[Array, ...]) -> None:
        """Make `state` the one that the next `carry` starts from."""
        self.last_hidden[...] = state[0]


class Sweep:
    """Workspace of one layer's backward sweep with S columns of gradient.

    Training has S = B. A probe may run many losses at once over a tape of batch 1: one column a loss.
    `delta` (rows, T, S) is kept only where weight gradients are wanted; `steps` are its views of each
    step, or else all the same (rows, S).
    """

    def __init__(self, layer: Layer, seq: int, columns: int, *, keep_delta: bool = True) -> None:
        hidden, rows, dtype, team = layer.size, layer.delta_rows, layer.dtype, layer.team
        self.columns = columns
        self.blocks = blocks(layer.hidden_size, layer.recurrent_rows.stop, columns)
        self.d_hidden: Array = np.zeros((hidden, columns), dtype)
        self.d_cell: Array = np.zeros((hidden, columns), dtype)
        self.scratch: Array = np.zeros((hidden, columns), dtype)
        self.step_delta: Array = np.zeros((rows, columns), dtype)
        self.delta: Array | None = pages.zeros((rows, seq, columns), dtype) if keep_delta else None
        # ∂ℓ/∂h_t from above, of one layer after another; a probe brings its own.
        self.d_outputs: Array = pages.zeros((seq if keep_delta else 0, hidden, columns), dtype)
        self.steps = [self.step_delta if self.delta is None else self.delta[:, t] for t in range(seq)]
        if team.size > 1:
            # Two, taken in turn: nobody writes into one before all have read it.
            parts = team.zeros((2, team.size, layer.hidden_size, columns), dtype)
            self.own_part = [each[team.rank].reshape(self.blocks, -1, columns) for each in parts]
            self.parts_of_own = [list(each[:, layer.units]) for each in parts]
            widest = max(layer.hidden_size, layer.parameters.architecture.input_size)
            self.input_parts: Array = team.zeros((team.size, widest, seq * columns), dtype)

    def keep(self, t: int) -> None:
        """Store `step_delta`, δ_t, for the weight gradients, where they are wanted."""
        if self.delta is not None:
            np.copyto(self.steps[t], self.step_delta)
