"""Embedding → recurrent layers → head: the whole network, forward and backward, over a reusable workspace."""

from __future__ import annotations

import numpy as np

from engine.cells import LAYERS, Layer, Sweep
from engine.cells.layer import Clamps, Observer
from engine.numerics import Codes, cross_entropy, cross_entropy_and_gradient, sums_by_code
from engine.parameters import Array, Parameters
from engine.team import ALONE, Team
from engine.workspace import Workspace

BATCH = 32  # sequences, where it is not said how many there will be


class Model:
    """A character-level recurrent network over `parameters`, or a team member's part of it.

    E·W_ihᵀ is folded into one table, where layer 0 finds a row for each character, as long as the
    vocabulary is not much wider than the embedding; beyond that it sees embeddings.
    After the parameters change, call `refresh`, or set `stale`, and the next forward pass does it.
    `batch` is for how many sequences side by side the model is to be fastest; it may be run with any number.
    """

    def __init__(self, parameters: Parameters, team: Team = ALONE, *, batch: int = BATCH, refresh: bool = True) -> None:
        self.parameters, self.team = parameters, team
        self.architecture = parameters.architecture
        architecture = self.architecture
        self.folded = architecture.folded
        width = architecture.vocabulary_size if self.folded else architecture.embedding_size
        cell = LAYERS[architecture.cell]
        self.layers: list[Layer] = [
            cell(
                parameters,
                index,
                width if index == 0 else architecture.hidden_size,
                batch=batch,
                table=self.folded and index == 0,
                team=team,
            )
            for index in range(architecture.layers)
        ]
        self.stale = False
        if refresh:
            self.refresh()

    @property
    def embedding_shape(self) -> tuple[int, int]:
        """Of the embedding's gradient, (V, D), where each member has a part of it to add; else (0, 0)."""
        architecture = self.architecture
        shared = self.team.size > 1 and self.folded and not architecture.onehot
        return (architecture.vocabulary_size, architecture.embedding_size) if shared else (0, 0)

    def refresh(self) -> None:
        """Rebuild the working matrices from the parameters."""
        for layer in self.layers:
            layer.refresh(self._table() if layer.index == 0 else None)
        self.stale = False

    @property
    def head_weight(self) -> Array:
        """W of logits = W h + b, (V, H)."""
        return self.parameters["head.weight"]

    def _table(self) -> Array | None:
        """E·W_ihᵀ of layer 0's own units by gate, (G, V, H)."""
        if self.architecture.onehot or not self.folded:
            return None
        weight_ih = self.layers[0].parameter("weight_ih")
        table: Array = np.matmul(self.parameters["embedding.weight"], weight_ih.swapaxes(1, 2))
        return table

    def forward(
        self,
        work: Workspace,
        codes: Codes,
        *,
        clamps: dict[int, Clamps] | None = None,
        rng: np.random.Generator | None = None,
    ) -> Array:
        """Logits (V, T·B), column t·B + b, for `codes` (T, B) from the workspace's state; of a team, `work.columns`.

        `clamps` holds units of a layer fixed. `rng` draws dropout masks; without it nothing is dropped.
        """
        if self.stale:
            self.refresh()
        self._enter(work, codes)
        self.team.meet()
        for index, (layer, tape) in enumerate(zip(self.layers, work.tapes, strict=True)):
            if index and work.masks:
                self._drop(work, index, rng)
            layer.forward(tape, clamps.get(index, ()) if clamps else ())
        np.matmul(self.head_weight, work.own_outputs.T, out=work.own_logits)
        np.add(work.own_logits, self.parameters["head.bias"][:, None], out=work.own_logits)
        return work.logits

    def _enter(self, work: Workspace, codes: Codes) -> None:
        """Put the input of layer 0 where it finds it."""
        tape = work.tapes[0]
        work.codes = codes
        if tape.inputs is None:
            tape.look_up(codes)
        elif self.team.rank == 0:
            self.parameters["embedding.weight"].take(codes, 0, tape.inputs, "clip")

    def _drop(self, work: Workspace, index: int, rng: np.random.Generator | None) -> None:
        """Give layer `index` the outputs of the one below it, some of them dropped."""
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
        """The loss, the head's gradient, and ∂ℓ/∂h_t of the top layer's own units, (T, B, H). Overwrites `logits`."""
        team, units = self.team, self.layers[-1].units
        first = (work.seq - 1) * work.batch if last_only else 0  # of the columns that count
        start, stop = work.columns.start, work.columns.stop
        counted = slice(max(start, first), max(stop, first))
        logits[:, start : min(counted.start, stop)] = 0
        work.losses[team.rank] = cross_entropy_and_gradient(
            logits[:, counted], targets.ravel()[counted], logits.shape[1] - first
        )
        team.meet()
        np.matmul(logits, work.outputs[:, units], out=gradient["head.weight"][:, units])
        if team.rank == 0:
            logits.sum(axis=1, out=gradient["head.bias"])
        assert work.sweep is not None
        d_outputs = work.sweep.d_outputs
        np.matmul(logits.T, self.head_weight[:, units], out=d_outputs.reshape(-1, d_outputs.shape[-1]))
        return float(work.losses.sum()), d_outputs

    def backward(self, work: Workspace, d_outputs: Array, gradient: Parameters) -> None:
        """Back-propagation through time from ∂ℓ/∂h_t of the top layer's own units, (T, B, H), into `gradient`."""
        sweep = work.sweep
        assert sweep is not None
        for index in reversed(range(len(self.layers))):
            layer, tape = self.layers[index], work.tapes[index]
            layer.backward(tape, sweep, d_outputs)
            d_weight = layer.weight_gradients(tape, sweep, gradient, work.codes)
            if index:
                self._write_weight_ih(layer, d_weight, gradient)
                d_outputs = layer.d_inputs(sweep, layer.units)
                if work.masks:
                    d_outputs = d_outputs * work.masks[index - 1]
            else:
                self._leave(work, sweep, d_weight, gradient)

    def _leave(self, work: Workspace, sweep: Sweep, d_weight: Array, gradient: Parameters) -> None:
        """Split layer 0's input gradient (G·H, X) between W_ih and the embedding."""
        layer, team = self.layers[0], self.team
        if self.architecture.onehot:
            self._write_weight_ih(layer, d_weight, gradient)
        elif self.folded:
            embedding = self.parameters["embedding.weight"]
            self._write_weight_ih(layer, np.matmul(d_weight, embedding), gradient)
            weight_ih = layer.parameter("weight_ih")[list(layer.input_order)]
            product = np.matmul(d_weight.T, weight_ih.reshape(len(d_weight), -1))
            if team.size > 1:
                work.embedding_parts[team.rank] = product
                team.meet()
                product = work.embedding_parts.sum(axis=0)
            if team.rank == 0:
                gradient["embedding.weight"][...] = product
        else:
            self._write_weight_ih(layer, d_weight, gradient)
            d_embedded = layer.d_inputs(sweep)
            if team.rank == 0:
                rows = d_embedded.reshape(-1, d_embedded.shape[-1])
                sums_by_code(rows, work.codes.ravel(), np.empty_like(rows), gradient["embedding.weight"])

    def _write_weight_ih(self, layer: Layer, d_weight: Array, gradient: Parameters) -> None:
        weight_ih = layer.parameter("weight_ih", gradient)
        weight_ih[list(layer.input_order)] = d_weight.reshape(weight_ih.shape)

    def losses(self, work: Workspace, codes: Codes, targets: Codes, clamps: dict[int, Clamps] | None = None) -> Array:
        """Cross-entropy in nats of every target, (T, B), without dropout; the state moves on."""
        return cross_entropy(self.forward(work, codes, clamps=clamps), targets.ravel()).reshape(codes.shape)

    def sweep_back(
        self, work: Workspace, sweeps: list[Sweep], d_outputs: Array, observers: dict[int, Observer]
    ) -> None:
        """Run gradients (T, S, H) of the top outputs down to the lowest layer watched; no weight gradients.

        T may be less than the workspace's: the sweep then covers its first T steps.
        """
        lowest = min(observers)
        for index in reversed(range(lowest, len(self.layers))):
            layer = self.layers[index]
            layer.backward(work.tapes[index], sweeps[index], d_outputs, observers.get(index))
            if index > lowest:
                d_outputs = layer.d_inputs(sweeps[index])
