"""The arrays of one window through the whole network, forward and backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine import arrays
from engine.arrays import Array, Codes
from engine.network.cells.layer import Layer
from engine.network.cells.tape import Sweep, Tape
from engine.network.parameters import Architecture

State = tuple[tuple[Array, ...], ...]  # for each layer (h,) or (h, c), each (B, H)


class Workspace:
    """All arrays for windows of T = `seq` steps and B = `batch` sequences, allocated once. `Model.workspace` makes one.

    If processes divide the units, `steps` is the slice of the time steps for which this one computes the head and the
    gradients of the weights; else it is all of them.

    `tapes` and, with `train`, `sweeps` have an entry for each layer. `masks` has one for each layer above the first, if
    dropout acts. The hidden state is here as well: after `reset` the next window starts from a zero state, after
    `carry` from the state in which the last window ended.
    """

    def __init__(
        self, layers: Sequence[Layer[Any]], architecture: Architecture, seq: int, batch: int, *, train: bool
    ) -> None:
        self.seq, self.batch = seq, batch
        dtype, group = layers[0].dtype, layers[0].group
        self.steps = group.part(seq)
        self.tapes: list[Tape] = []
        self.masks: list[Array] = []
        dropout = train and architecture.dropout > 0
        for layer in layers:
            inputs: Array | None = None
            if layer.index and dropout:
                self.masks.append(arrays.aligned((seq, batch, architecture.hidden_size), dtype))
                inputs = arrays.aligned((seq, batch, architecture.hidden_size), dtype)
            elif layer.index:
                inputs = self.tapes[-1].outputs
            elif not architecture.folded:
                inputs = arrays.aligned((seq, batch, architecture.embedding_size), dtype)
            self.tapes.append(layer.new_tape(seq, batch, inputs))
        # ∂ℓ/∂h_t from the head or from the layer above; the layers use it one after the other.
        self.d_outputs: Array = group.zeros((seq if train else 0, batch, architecture.hidden_size), dtype)
        if train and architecture.folded:
            gates, hidden, input_size = layers[0].weight_ih.shape
            self.d_weight_ih: Array = arrays.aligned((gates * hidden, input_size), dtype)
        elif train:  # ∂ℓ/∂x_t of the embedded characters, and scratch for `sums_by_code`
            self.d_embedded: Array = arrays.zeros((seq, batch, architecture.embedding_size), dtype)
            self.by_code: Array = arrays.zeros((seq * batch, architecture.embedding_size), dtype)
        self.sweeps: list[Sweep] = []
        for layer, tape in zip(layers if train else [], self.tapes, strict=False):
            room = self.sweeps[0].delta if self.sweeps and tape.room is None else tape.room
            self.sweeps.append(Sweep(layer, seq, batch, room=room, for_weights=True))
        # h_t of the top layer at `steps`, (T·B, H), a view, and its logits.
        self.outputs: Array = self.tapes[-1].outputs[self.steps].reshape(-1, architecture.hidden_size)
        self.logits: Array = arrays.aligned((architecture.vocabulary_size, len(self.outputs)), dtype)
        self.d_piece: Array = arrays.aligned(self.outputs.shape if train else (0, 0), dtype)  # scratch of the head
        self.codes: Codes = np.zeros((seq, batch), np.intp)  # the characters that the last forward pass read

    def reset(self) -> None:
        """Let the next window begin with a zero state."""
        for tape in self.tapes:
            tape.reset()

    def carry(self) -> None:
        """Let the next window begin with the state in which the last one ended."""
        for tape in self.tapes:
            tape.carry()

    def end_state(self) -> State:
        """Copies of this process's units of every layer's state after the last step: (h,) or (h, c), each (B, U)."""
        return tuple(tuple(part.copy() for part in tape.end_state()) for tape in self.tapes)

    def restore(self, state: State) -> None:
        """Set the end state of the last window to `state`. Call `carry` to begin the next window with it."""
        for tape, layer_state in zip(self.tapes, state, strict=True):
            tape.restore(layer_state)
