"""Embedding → recurrent layers → head: the whole network, forward and backward, over a reusable workspace."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.cells import LAYERS, Layer, Sweep, Tape
from engine.cells.layer import Clamps, Observer
from engine.numerics import Codes, cross_entropy, cross_entropy_and_gradient
from engine.parameters import Array, Parameters

State = tuple[tuple[Array, ...], ...]  # one (h,) or (h, c) a layer, each (H, B)


class Workspace:
    """Every array that one window of T steps and B sequences needs, allocated once.

    `sweeps` are there where gradients are wanted. The hidden state lives here too: `reset` starts
    from zero, `carry` where the last window ended.
    """

    def __init__(self, model: Model, seq: int, batch: int, *, train: bool = True) -> None:
        self.model, self.seq, self.batch = model, seq, batch
        architecture, dtype = model.architecture, model.parameters.flat.dtype
        self.tapes: list[Tape] = [layer.tape_type(layer, seq, batch) for layer in model.layers]
        self.sweeps = [Sweep(layer, seq, batch) for layer in model.layers] if train else []
        self.logits: Array = np.empty((architecture.vocabulary_size, seq * batch), dtype)
        width = model.layers[0].input_size
        self.inputs: Array = np.zeros((width + 1, seq, batch), dtype)
        self.inputs[width] = 1
        self.tapes[0].inputs = self.inputs
        self.onehot = OneHot(self.tapes[0].stacked, self.inputs)
        self.codes: Codes = np.zeros((seq, batch), np.intp)  # of the last forward pass
        self.masks: list[Array] = []
        for below, tape in zip(self.tapes, self.tapes[1:], strict=False):
            tape.inputs = below.states[:, 1:]
            if train and architecture.dropout:
                tape.inputs = np.ones((architecture.hidden_size + 1, seq, batch), dtype)
                self.masks.append(np.empty((architecture.hidden_size, seq, batch), dtype))

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
    """Sets the one-hot columns of layer 0, in `stacked` (T+1, K, B) and `inputs` (X+1, T, B), by flat indices."""

    def __init__(self, stacked: Array, inputs: Array) -> None:
        _, height, batch = stacked.shape
        seq = inputs.shape[1]
        self._stacked, self._inputs = stacked.reshape(-1), inputs.reshape(-1)
        self._strides = batch, seq * batch  # between two characters, in the one and in the other
        place = np.arange(seq * batch)
        self._first = place // batch * (height * batch) + place % batch, place
        self._written: Any = self._first

    def write(self, codes: Codes) -> None:
        """Put a 1 in the row of each code (T, B), and take away those of before."""
        if codes.size == 1:  # sampling: plain indices cost a fraction of index arrays
            code = codes.item()
            now: Any = code, code
        else:
            flat = codes.reshape(-1)
            now = self._first[0] + flat * self._strides[0], self._first[1] + flat * self._strides[1]
        self._stacked[self._written[0]] = 0
        self._inputs[self._written[1]] = 0
        self._stacked[now[0]] = 1
        self._inputs[now[1]] = 1
        self._written = now


class Model:
    """A character-level recurrent network over `parameters`.

    Layer 0 sees one-hot columns, and E·W_ihᵀ is folded into one table with a row for each character,
    as long as the vocabulary is not much wider than the embedding; beyond that it sees embeddings.
    After the parameters change, call `refresh`.
    """

    def __init__(self, parameters: Parameters, *, refresh: bool = True) -> None:
        self.parameters = parameters
        self.architecture = parameters.architecture
        architecture = self.architecture
        self.folded = architecture.onehot or architecture.vocabulary_size <= 2 * architecture.embedding_size
        width = architecture.vocabulary_size if self.folded else architecture.embedding_size
        cell = LAYERS[architecture.cell]
        self.layers: list[Layer] = [
            cell(parameters, index, width if index == 0 else architecture.hidden_size)
            for index in range(architecture.layers)
        ]
        self.head: Array = np.zeros((architecture.vocabulary_size, architecture.hidden_size + 1), parameters.flat.dtype)
        if refresh:
            self.refresh()

    def refresh(self) -> None:
        """Rebuild the working matrices from the parameters."""
        for layer in self.layers:
            layer.refresh(self._table() if layer.index == 0 else None)
        self.head[:, :-1] = self.parameters["head.weight"]
        self.head[:, -1] = self.parameters["head.bias"]

    def _table(self) -> Array | None:
        if self.architecture.onehot or not self.folded:
            return None
        table: Array = np.dot(self.parameters["rnn.weight_ih_l0"], self.parameters["embedding.weight"].T)
        return table.reshape(len(self.architecture.gates), self.architecture.hidden_size, -1)

    def forward(
        self,
        work: Workspace,
        codes: Codes,
        *,
        clamps: dict[int, Clamps] | None = None,
        rng: np.random.Generator | None = None,
    ) -> Array:
        """Logits (V, T·B), column t·B + b, for `codes` (T, B) from the workspace's state.

        `clamps` holds units of a layer fixed. `rng` draws dropout masks; without it nothing is dropped.
        """
        self._enter(work, codes)
        for index, (layer, tape) in enumerate(zip(self.layers, work.tapes, strict=True)):
            if index:
                self._pass_up(work, index, rng)
            layer.forward(tape, clamps.get(index, ()) if clamps else ())
        outputs = work.tapes[-1].states[:, 1:].reshape(len(work.tapes[-1].states), -1)
        return np.dot(self.head, outputs, out=work.logits)

    def _enter(self, work: Workspace, codes: Codes) -> None:
        """Put the input of layer 0 where its products find it."""
        work.codes = codes
        if self.folded:
            work.onehot.write(codes)
        else:
            embedded = self.parameters["embedding.weight"][codes]
            work.tapes[0].stacked[:-1, : embedded.shape[2]] = embedded.transpose(0, 2, 1)
            work.inputs[:-1] = embedded.transpose(2, 0, 1)

    def _pass_up(self, work: Workspace, index: int, rng: np.random.Generator | None) -> None:
        """Give layer `index` the outputs of the one below it, dropped out where asked."""
        tape, outputs = work.tapes[index], work.tapes[index - 1].states[:-1, 1:]
        if work.masks:
            keep = 1 - self.architecture.dropout
            mask = work.masks[index - 1]
            if rng is None:
                mask.fill(1)
            else:
                np.copyto(mask, rng.random(mask.shape, np.float32) < keep)
                mask *= 1 / keep
            np.multiply(outputs, mask, out=tape.inputs[:-1])
            outputs = tape.inputs[:-1]
        np.copyto(tape.stacked[:-1, : len(outputs)], outputs.transpose(1, 0, 2))

    def loss_and_gradient(
        self,
        work: Workspace,
        codes: Codes,
        targets: Codes,
        gradient: Parameters,
        *,
        last_only: bool = False,
        rng: np.random.Generator | None = None,
    ) -> float:
        """Mean cross-entropy in nats of `targets` (T, B), over all steps or the last one; fills `gradient`."""
        logits = self.forward(work, codes, rng=rng)
        loss, d_outputs = self.head_backward(work, logits, targets, gradient, last_only=last_only)
        self.backward(work, d_outputs, gradient)
        return loss

    def head_backward(
        self, work: Workspace, logits: Array, targets: Codes, gradient: Parameters, *, last_only: bool
    ) -> tuple[float, Array]:
        """The loss, the head's gradient, and ∂ℓ/∂h_t of the top layer's outputs, (H, T, B). Overwrites `logits`."""
        batch = work.batch
        wanted = logits[:, -batch:] if last_only else logits
        loss = cross_entropy_and_gradient(wanted, (targets[-1] if last_only else targets).ravel())
        if last_only:
            logits[:, :-batch] = 0
        outputs = work.tapes[-1].states[:, 1:].reshape(self.architecture.hidden_size + 1, -1)
        by_head = np.dot(logits, outputs.T)
        gradient["head.weight"][...] = by_head[:, :-1]
        gradient["head.bias"][...] = by_head[:, -1]
        d_outputs = np.dot(self.head[:, :-1].T, logits).reshape(-1, work.seq, batch)
        return loss, d_outputs

    def backward(self, work: Workspace, d_outputs: Array, gradient: Parameters) -> None:
        """Back-propagation through time from ∂ℓ/∂h_t of the top layer, (H, T, B), into `gradient`."""
        for index in reversed(range(len(self.layers))):
            layer, tape, sweep = self.layers[index], work.tapes[index], work.sweeps[index]
            layer.backward(tape, sweep, d_outputs)
            d_weight = layer.weight_gradients(tape, sweep, gradient)
            if index:
                gradient[f"rnn.weight_ih_l{index}"][...] = d_weight.reshape(-1, layer.input_size)
                d_outputs = layer.d_inputs(sweep)
                if work.masks:
                    np.multiply(d_outputs, work.masks[index - 1], out=d_outputs)
            else:
                self._leave(work, d_weight.reshape(-1, layer.input_size), gradient)

    def _leave(self, work: Workspace, d_weight: Array, gradient: Parameters) -> None:
        """Split layer 0's input gradient (G·H, X) between W_ih and the embedding."""
        d_weight_ih = gradient["rnn.weight_ih_l0"]
        if self.architecture.onehot:
            d_weight_ih[...] = d_weight
        elif self.folded:
            np.dot(d_weight, self.parameters["embedding.weight"], out=d_weight_ih)
            np.dot(d_weight.T, self.parameters["rnn.weight_ih_l0"], out=gradient["embedding.weight"])
        else:
            d_weight_ih[...] = d_weight
            d_embedded = self.layers[0].d_inputs(work.sweeps[0]).reshape(d_weight.shape[1], -1)
            scatter_rows(d_embedded.T, work.codes.ravel(), gradient["embedding.weight"])

    def losses(self, work: Workspace, codes: Codes, targets: Codes, clamps: dict[int, Clamps] | None = None) -> Array:
        """Cross-entropy in nats of every target, (T, B), without dropout; the state moves on."""
        return cross_entropy(self.forward(work, codes, clamps=clamps), targets.ravel()).reshape(codes.shape)

    def sweep_back(
        self, work: Workspace, sweeps: list[Sweep], d_outputs: Array, observers: dict[int, Observer]
    ) -> None:
        """Run gradients (H, T, S) of the top outputs down to the lowest layer watched; no weight gradients.

        T may be less than the workspace's: the sweep then covers its first T steps.
        """
        lowest = min(observers)
        for index in reversed(range(lowest, len(self.layers))):
            layer = self.layers[index]
            layer.backward(work.tapes[index], sweeps[index], d_outputs, observers.get(index))
            if index > lowest:
                d_outputs = layer.d_inputs(sweeps[index])


def scatter_rows(rows: Array, indices: Codes, into: Array) -> None:
    """into[i] = sum of the rows whose index is i: (N, D), (N,) → (V, D), by sorting, without a Python loop."""
    order = np.argsort(indices, kind="stable")
    indices = indices[order]
    starts = np.flatnonzero(np.concatenate(([True], indices[1:] != indices[:-1])))
    into[...] = 0
    into[indices[starts]] = np.add.reduceat(rows[order], starts, axis=0)
