"""The whole network, forward and backward: embedding → recurrent layers → head, which gives a logit per character."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.arrays import Array, Codes
from engine.network import head
from engine.network.cells import load
from engine.network.cells.group import ALONE, UnitGroup
from engine.network.cells.layer import Clamps, Layer, Observer
from engine.network.cells.products import multiply_rows
from engine.network.cells.tape import Sweep
from engine.network.numerics import cross_entropy, sums_by_code
from engine.network.parameters import Parameters
from engine.network.workspace import Workspace

BATCH = 32  # sequences for which a model is fastest, unless its caller names another number


class Model:
    """A character-level recurrent network over `parameters`. Call `refresh` when they have changed.

    If the model is `folded`, layer 0 looks W_ih x + b up in a table with a row for each character. If the vocabulary is
    too large for that, layer 0 reads embeddings. The model runs any number of sequences side by side, and is fastest
    with `batch` of them. With `refresh` false it is refreshed when it first runs.

    If a `group` of processes divides the units, all of them must call `loss_and_gradient` or `losses` for the same
    windows. Each gets the part of the result that belongs to its time steps, `Workspace.steps`.
    """

    def __init__(
        self, parameters: Parameters, *, batch: int = BATCH, refresh: bool = True, group: UnitGroup = ALONE
    ) -> None:
        self.parameters, self.group = parameters, group
        self.architecture = parameters.architecture
        architecture = self.architecture
        self.folded = architecture.folded
        new_layer: type[Layer[Any]] = load(architecture.cell)
        widths = [architecture.vocabulary_size if self.folded else architecture.embedding_size]
        widths += [architecture.hidden_size] * (architecture.layers - 1)
        self.layers = [
            new_layer(
                parameters.of_layer(index), index, width, batch=batch, table=self.folded and index == 0, group=group
            )
            for index, width in enumerate(widths)
        ]
        self.is_stale = True  # whether the parameters have changed since the working matrices were built
        if refresh:
            self.refresh()

    def refresh(self) -> None:
        """Rebuild the working matrices from the parameters."""
        self.is_stale = False
        folded = self.folded and not self.architecture.onehot
        for layer in self.layers:
            layer.refresh(self.parameters["embedding.weight"] if folded and layer.index == 0 else None)

    def workspace(self, seq: int, batch: int, *, train: bool = True) -> Workspace:
        """The arrays for windows of `seq` steps and `batch` sequences; if `train` is false, none for gradients."""
        return Workspace(self.layers, self.architecture, seq, batch, train=train)

    @property
    def head_weight(self) -> Array:
        """W of logits = W h + b, (V, H)."""
        return self.parameters["head.weight"]

    def forward(self, work: Workspace, codes: Codes, *, clamps: dict[int, Clamps] | None = None) -> Array:
        """Logits (V, T·B) of `work.steps`, column t·B + b, for `codes` (T, B) from the workspace's state.

        `clamps` has, for some layers, (unit, value) pairs of h that are held fixed. Nothing is dropped out. The logits
        are memory of the workspace: the next forward pass overwrites them.
        """
        self._run(work, codes, clamps=clamps)
        np.matmul(self.head_weight, work.outputs.T, out=work.logits)
        np.add(work.logits, self.parameters["head.bias"][:, None], out=work.logits)
        return work.logits

    def _run(
        self,
        work: Workspace,
        codes: Codes,
        *,
        clamps: dict[int, Clamps] | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        """Run all layers. `rng` draws dropout masks; without it nothing is dropped."""
        if self.is_stale:
            self.refresh()
        self._enter(work, codes)
        for index, (layer, tape) in enumerate(zip(self.layers, work.tapes, strict=True)):
            if index and work.masks:
                self._drop(work, index, rng)
            layer.forward(tape, clamps.get(index, ()) if clamps else ())
            self.group.barrier()  # now every process has computed its units

    def _enter(self, work: Workspace, codes: Codes) -> None:
        """Give layer 0 its input: the rows of its table, or the embeddings, of `codes` (T, B)."""
        tape = work.tapes[0]
        work.codes = codes
        if tape.inputs is None:
            tape.look_up(codes)
        else:
            self.parameters["embedding.weight"].take(codes, 0, tape.inputs, "clip")

    def _drop(self, work: Workspace, index: int, rng: np.random.Generator | None) -> None:
        """Give layer `index` the outputs of the layer below after dropout: some set to 0, the others scaled up."""
        keep, mask, inputs = 1 - self.architecture.dropout, work.masks[index - 1], work.tapes[index].inputs
        if rng is None:
            mask.fill(1)
        else:
            np.copyto(mask, rng.random(mask.shape, np.float32) < keep)
            mask *= 1 / keep
        assert inputs is not None
        np.multiply(work.tapes[index - 1].outputs, mask, out=inputs)

    def loss_and_gradient(
        self,
        work: Workspace,
        codes: Codes,
        targets: Codes,
        gradient: Parameters,
        *,
        last_only: bool = False,
        share: float = 1.0,
        rng: np.random.Generator | None = None,
    ) -> float:
        """Mean cross-entropy in nats of `targets` (T, B), over all steps or the last one; fills `gradient`.

        If several processes share a batch, `share` is the share of the batch that these sequences are, 0 … 1. Loss and
        gradient are then their part of the mean over the whole batch.
        """
        self._run(work, codes, rng=rng)
        loss, d_outputs = self.head_and_loss(work, targets, gradient, last_only=last_only, share=share)
        self.backward(work, d_outputs, gradient)
        return loss

    def head_and_loss(
        self, work: Workspace, targets: Codes, gradient: Parameters, *, last_only: bool, share: float = 1.0
    ) -> tuple[float, Array]:
        """The loss after a forward pass, and ∂ℓ/∂h_t of the top layer, (T, B, H); fills the head's `gradient`.

        The loss is the mean over all steps or the last one, times `share`. The logits are overwritten.
        """
        first = work.seq - 1 if last_only else 0  # the first step that has a loss
        count = (work.seq - first) * work.batch / share
        without = min(max(0, first - work.steps.start) * work.batch, len(work.outputs))  # rows that have none
        d_outputs = work.d_outputs[work.steps].reshape(work.outputs.shape)
        d_outputs[:without] = 0
        states = work.outputs[without:]
        vocabulary_size = self.architecture.vocabulary_size
        logits = work.logits.reshape(-1)[: vocabulary_size * len(states)].reshape(vocabulary_size, len(states))
        loss = head.loss_and_gradient(
            (self.head_weight, self.parameters["head.bias"]),
            states,
            targets[work.steps].ravel()[without:],
            count,
            logits,
            (gradient["head.weight"], gradient["head.bias"]),
            d_outputs[without:],
            work.d_piece[without:],
        )
        self.group.barrier()  # now ∂ℓ/∂h_t of all steps is there
        return loss, work.d_outputs

    def backward(self, work: Workspace, d_outputs: Array, gradient: Parameters) -> None:
        """Backpropagation through time from ∂ℓ/∂h_t of the top layer, `d_outputs` (T, B, H), into `gradient`."""
        for index in reversed(range(len(self.layers))):
            layer, tape, sweep = self.layers[index], work.tapes[index], work.sweeps[index]
            layer.backward(tape, sweep, d_outputs)
            self.group.barrier()  # now every process has computed δ of its units
            d_weight = layer.weight_gradients(tape, sweep, gradient.of_layer(index), work.codes)
            if index:
                layer.d_inputs(sweep, work.d_outputs[work.steps])
                if work.masks:
                    np.multiply(d_outputs, work.masks[index - 1], out=d_outputs)
                self.group.barrier()  # now ∂ℓ/∂h_t of the layer below is there, and nothing reads δ any more
            elif not self.architecture.onehot:
                d_weight = self._embedding_gradient(work, sweep, d_weight, gradient["embedding.weight"])
            weight_ih = layer.by_gate("weight_ih", gradient.of_layer(index))
            weight_ih[layer.input_order] = d_weight.reshape(weight_ih.shape)

    def _embedding_gradient(self, work: Workspace, sweep: Sweep, d_weight: Array, out: Array) -> Array:
        """Write the gradient of the embedding E (V, D) into `out`; return the gradient of layer 0's W_ih, (G·H, D).

        Without a table, `d_weight` is the gradient of W_ih itself. With a table, it is the gradient, (G·H, V), of the
        table E·W_ihᵀ without its bias, and the product rule gives the gradients of both factors.
        """
        layer = self.layers[0]
        if not self.folded:
            codes = work.codes[work.steps].ravel()
            rows = layer.d_inputs(sweep, work.d_embedded[work.steps]).reshape(len(codes), layer.input_size)
            sums_by_code(rows, codes, work.by_code, out)
            return d_weight
        multiply_rows(d_weight, self.parameters["embedding.weight"], work.d_weight_ih)
        multiply_rows(d_weight.T, layer.weight_ih.reshape(work.d_weight_ih.shape), out)
        return work.d_weight_ih

    def losses(self, work: Workspace, codes: Codes, targets: Codes, clamps: dict[int, Clamps] | None = None) -> Array:
        """Cross-entropy in nats of the targets of `work.steps`, (T, B), without dropout, from the workspace's state."""
        logits = self.forward(work, codes, clamps=clamps)
        own = targets[work.steps]
        return cross_entropy(logits, own.ravel()).reshape(own.shape)

    def sweep_back(
        self, work: Workspace, sweeps: list[Sweep], d_outputs: Array, observers: dict[int, Observer]
    ) -> None:
        """Backpropagate ∂ℓ/∂h_t of the top layer, `d_outputs` (T, S, H), to the lowest layer in `observers`.

        `observers` has the callback for each observed layer, see `Observer`. No weight gradients are computed. T may be
        less than the number of steps in the workspace: the sweep then covers the first T steps.
        """
        lowest = min(observers)
        for index in reversed(range(lowest, len(self.layers))):
            layer = self.layers[index]
            layer.backward(work.tapes[index], sweeps[index], d_outputs, observers.get(index))
            if index > lowest:
                d_outputs = layer.d_inputs(sweeps[index])

    def in_double(self) -> Model:
        """A copy of this network in float64, or the network itself if it is in float64."""
        if self.parameters.flat.dtype == np.float64:
            return self
        return Model(self.parameters.astype(np.float64))
