"""The arrays of one window through the whole network: tapes, logits, what goes in and what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine import arrays
from engine.arrays import Array, Codes
from engine.network.cells.tape import Sweep, Tape

if TYPE_CHECKING:
    from engine.network.model import Model

State = tuple[tuple[Array, ...], ...]  # one (h,) or (h, c) a layer, each (B, H)


class Workspace:
    """Every array that one window of T steps and B sequences needs, allocated once.

    `sweeps`, one a layer, are there where gradients are wanted. The hidden
    state lives here too: `reset` starts from zero, `carry` where the last window ended.
    """

    def __init__(self, model: Model, seq: int, batch: int, *, train: bool = True) -> None:
        self.seq, self.batch = seq, batch
        architecture, dtype = model.architecture, model.parameters.flat.dtype
        self.tapes: list[Tape] = []
        self.masks: list[Array] = []
        dropout = train and architecture.dropout > 0
        for layer in model.layers:
            inputs: Array | None = None
            if layer.index and dropout:
                self.masks.append(np.empty((seq, batch, architecture.hidden_size), dtype))
                inputs = np.empty((seq, batch, architecture.hidden_size), dtype)
            elif layer.index:
                inputs = self.tapes[-1].outputs
            elif not model.folded:
                inputs = np.empty((seq, batch, architecture.embedding_size), dtype)
            self.tapes.append(layer.tape_type(layer, seq, batch, inputs))
        # ∂ℓ/∂h_t from above, of one layer after another.
        self.d_outputs: Array = arrays.zeros((seq if train else 0, batch, architecture.hidden_size), dtype)
        if train and model.folded:
            gates, hidden, inputs = model.layers[0].weight_ih.shape
            self.d_weight_ih: Array = np.empty((gates * hidden, inputs), dtype)
        elif train:  # ∂ℓ/∂ of what was embedded, and its rows character by character
            self.d_embedded: Array = arrays.zeros((seq, batch, architecture.embedding_size), dtype)
            self.by_code: Array = arrays.zeros((seq * batch, architecture.embedding_size), dtype)
        self.sweeps: list[Sweep] = []
        for layer, tape in zip(model.layers if train else [], self.tapes, strict=False):
            room = self.sweeps[0].delta if self.sweeps and tape.room is None else tape.room
            self.sweeps.append(Sweep(layer, seq, batch, room=room))
        self.logits: Array = np.zeros((architecture.vocabulary_size, seq * batch), dtype)
        # h_t of the top layer, (T·B, H)
        self.outputs: Array = self.tapes[-1].outputs.reshape(seq * batch, architecture.hidden_size)
        self.codes: Codes = np.zeros((seq, batch), np.intp)  # of the last forward pass

    def reset(self) -> None:
        """Begin with a zero state."""
        for tape in self.tapes:
            tape.reset()

    def carry(self) -> None:
        """Begin where the last window ended."""
        for tape in self.tapes:
            tape.carry()

    def end_state(self) -> State:
        """Copies of every layer's state after the last step."""
        return tuple(tuple(part.copy() for part in tape.end_state()) for tape in self.tapes)

    def restore(self, state: State) -> None:
        """Make `state` what the next `carry` begins with."""
        for tape, layer_state in zip(self.tapes, state, strict=True):
            tape.restore(layer_state)
