"""The arrays of one window through the whole network: tapes, logits, what goes in and what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from engine.cells import Sweep, Tape
from engine.numerics import Codes
from engine.parameters import Array

if TYPE_CHECKING:
    from engine.model import Model

State = tuple[tuple[Array, ...], ...]  # one (h,) or (h, c) a layer, each (H, B)


class Workspace:
    """Every array that one window of T steps and B sequences needs, allocated once.

    `sweep`, which the layers use one after another, is there where gradients are wanted. The hidden
    state lives here too: `reset` starts from zero, `carry` where the last window ended. Where a team
    computes, `columns` are this member's of the T·B columns of `logits`.
    """

    def __init__(self, model: Model, seq: int, batch: int, *, train: bool = True) -> None:
        self.model, self.seq, self.batch = model, seq, batch
        architecture, dtype, team = model.architecture, model.parameters.flat.dtype, model.team
        self.tapes: list[Tape] = [layer.tape_type(layer, seq, batch) for layer in model.layers]
        self.sweep = Sweep(model.layers[-1], seq, batch) if train else None
        self.logits: Array = team.zeros((architecture.vocabulary_size, seq * batch), dtype)
        self.columns = team.part(seq * batch)
        top = self.tapes[-1].stacked[model.layers[-1].input_size :, 1:]
        self.outputs: Array = top.reshape(len(top), -1)  # [1; h_t] of the top layer over all columns, (1 + H, T·B)
        self.own_outputs, self.own_logits = self.outputs[:, self.columns], self.logits[:, self.columns]
        self.losses: Array = team.zeros((team.size,), np.float64)
        self.embedding_parts: Array = team.zeros((team.size, *model.embedding_shape), dtype)
        self.onehot = OneHot(self.tapes[0].stacked)
        self.codes: Codes = np.zeros((seq, batch), np.intp)  # of the last forward pass
        masks = len(self.tapes) - 1 if train and architecture.dropout else 0
        self.masks: list[Array] = [np.empty((architecture.hidden_size, seq, batch), dtype) for _ in range(masks)]

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
        return tuple(tape.end_state() for tape in self.tapes)

    def restore(self, state: State) -> None:
        """Make `state` what the next `carry` begins with."""
        for tape, layer_state in zip(self.tapes, state, strict=True):
            tape.restore(layer_state)


class OneHot:
    """Sets the one-hot columns of layer 0 in its `stacked` (K, T+1, B), by flat indices."""

    def __init__(self, stacked: Array) -> None:
        _, steps, batch = stacked.shape
        self._stacked = stacked.reshape(-1)
        self._stride = steps * batch  # between two characters
        self._first = np.arange((steps - 1) * batch)
        self._written: Any = self._first

    def write(self, codes: Codes) -> None:
        """Put a 1 in the row of each code (T, B), and take away those of before."""
        # In sampling there is one code: a plain index costs a fraction of an index array.
        now: Any = codes.item() * self._stride if codes.size == 1 else codes.reshape(-1) * self._stride + self._first
        self._stacked[self._written] = 0
        self._stacked[now] = 1
        self._written = now
