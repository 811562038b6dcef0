"""One process's part of a training step: forward, backward, clipping, optimiser."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from engine.arrays import Array, Codes
from engine.config import Config
from engine.network.cells import products
from engine.network.cells.cell import cell_of
from engine.network.cells.group import ALONE
from engine.network.model import Model
from engine.network.parameters import Parameters
from engine.network.workspace import State
from engine.syntax import parse_clip
from engine.training import barrier
from engine.training.optimizers import OPTIMIZERS, Optimizer, RMSprop, clip_to
from engine.training.process_group import ProcessGroup

WORTH_WAITING = 1_500_000  # multiplications of a process in a time step, so that it may wait for the others there


def divides_units(config: Config, processes: int) -> bool:
    """Whether `processes` divide the units of each layer between them instead of the sequences of the batch.

    It is faster where the BLAS copies all weights at every time step (`engine.network.cells.products`), and if a time
    step takes long compared with the wait for the other processes, which counters in shared memory make short.
    """
    cell = cell_of(config.cell)
    if processes == 1 or products.small_is_fast() or not cell.recurrent or not barrier.KEEPS_ORDER:
        return False
    return len(cell.gates) * config.batch * config.hidden**2 // processes >= WORTH_WAITING


class SharedWindow:
    """A window of T steps of B sequences in shared memory: inputs and targets (T, B), and the hidden state after them.

    `sequences` is the slice of the sequences that this process computes, `share` its share of the batch, 0 … 1, and
    `work` has the arrays for it; it is the whole batch if the processes divide the units. `state` has the state of all
    B sequences: for each layer (h,) or (h, c), each (B, H).
    """

    def __init__(self, model: Model, group: ProcessGroup, seq: int, batch: int, *, train: bool) -> None:
        self.sequences = group.part(batch) if model.group is ALONE else slice(0, batch)
        self.work = model.workspace(seq, self.sequences.stop - self.sequences.start, train=train)
        self.inputs: Codes = group.zeros((seq, batch), np.intp)
        self.targets: Codes = group.zeros((seq, batch), np.intp)
        self.share = self.work.batch / batch
        self.state: State = tuple(
            tuple(group.zeros((batch, model.architecture.hidden_size), part.dtype) for part in layer)
            for layer in self.work.end_state()
        )
        own = model.layers[0].own
        self._own_state: State = tuple(tuple(part[self.sequences, own] for part in layer) for layer in self.state)
        self._fresh: Array = group.zeros((1,), np.float64)

    def put(self, inputs: Codes, targets: Codes, *, fresh: bool) -> None:
        """Set the inputs and targets, (T, B) each, of the next window.

        It begins with a zero state if `fresh`, else with the state after the last window.
        """
        self.inputs[...] = inputs
        self.targets[...] = targets
        self._fresh[0] = fresh

    def begin(self) -> tuple[Codes, Codes]:
        """Set the state with which the window begins; return inputs and targets of this process's sequences."""
        if self._fresh[0]:
            self.work.reset()
        else:
            self.work.carry()
        return self.inputs[:, self.sequences], self.targets[:, self.sequences]

    def share_state(self) -> None:
        """Copy this process's end state into the shared `state`, which outlives this process."""
        for layer, tape in zip(self._own_state, self.work.tapes, strict=True):
            for part, last in zip(layer, tape.end_state(), strict=True):
                part[...] = last

    def take_state(self) -> None:
        """Make this process's part of the shared `state` the end state, from which the next window goes on."""
        self.work.restore(self._own_state)


class Replica:
    """One process's network. The group shares the memory of its parameters, gradients and optimiser.

    Each process runs the whole network over its own sequences or, with `divided`, its own units over all sequences. It
    changes its own part of the parameters along the sum of all gradients. `validation` is the shape (T, B) of the
    validation windows, None if there is no validation text.
    """

    def __init__(
        self,
        config: Config,
        vocabulary_size: int,
        dtype: DTypeLike,
        group: ProcessGroup,
        validation: tuple[int, int] | None = None,
        *,
        divided: bool = False,
    ) -> None:
        architecture = config.architecture(vocabulary_size)
        count = Parameters.size(architecture)
        self.group = group
        self.parameters = Parameters(architecture, dtype, flat=group.zeros((count,), dtype))
        gradients = [group.zeros((count,), dtype) for _ in range(group.size)]  # one for each process
        self._gradients = [Parameters(architecture, dtype, flat=flat) for flat in gradients]
        self.gradient = self._gradients[0]  # process 0's own, to which the others are added
        sequences = slice(0, config.batch) if divided else group.part(config.batch)
        batch = sequences.stop - sequences.start
        self.model = Model(self.parameters, batch=batch, refresh=False, group=group if divided else ALONE)
        self.window = SharedWindow(self.model, group, config.seq, config.batch, train=True)
        self.validation = SharedWindow(self.model, group, *validation, train=False) if validation else None
        self.part = group.part(count)
        self.optimizer: Optimizer = OPTIMIZERS[config.optimizer](self.parameters.flat, self.part, group.zeros)
        if isinstance(self.optimizer, RMSprop):
            self.optimizer.alpha = config.alpha
        self.clip = parse_clip(config.clip)
        self.last_only = config.loss == "last"
        self._rate: Any = group.zeros((2,), np.float64)  # the learning rate, and the optimiser's steps so far
        self._losses: Array = group.zeros((group.size,), np.float64)
        self._validation_losses: Array = group.zeros(validation or (0, 0), np.float64)
        self._squares: Array = group.zeros((group.size,), np.float64)
        self._sizes: Array = group.zeros((group.size,), np.float64)
        self._clipped: Array = group.zeros((group.size,), np.float64)  # 1 for each process whose part was clipped

    def prepare(self, inputs: Codes, targets: Codes, lr: float, *, fresh: bool) -> None:
        """Set inputs, targets and learning rate of the next step for all processes.

        Only the main process calls this, before each `step`. `fresh` begins with a zero state.
        """
        self.window.put(inputs, targets, fresh=fresh)
        self._rate[...] = lr, self.optimizer.steps

    def step(self, rng: np.random.Generator | None = None) -> tuple[float, float, bool, bool]:
        """Make one training step.

        Returns the mean loss, nats per character, the gradient's norm before clipping, whether it was clipped, and
        whether all parameters are finite after the step.

        All processes of the group must call it. If loss or norm is not finite, no parameter changes, but the hidden
        state moves on. `rng` draws dropout masks.
        """
        lr, done = self._rate.tolist()
        self.optimizer.steps = int(done)
        group, window, gradient = self.group, self.window, self._gradients[self.group.rank]
        inputs, targets = window.begin()
        self._losses[group.rank] = self.model.loss_and_gradient(
            window.work, inputs, targets, gradient, last_only=self.last_only, share=window.share, rng=rng
        )
        window.share_state()
        group.barrier()  # now every process has computed its gradient
        own = self.gradient.flat[self.part]
        for other in self._gradients[1:]:
            np.add(own, other.flat[self.part], out=own)
        self._squares[group.rank] = np.dot(own, own)
        loss = float(self._losses.sum())
        group.barrier()  # now every part of the gradient is summed, and its squares too
        norm, clipped = math.sqrt(self._squares.sum()), False
        if math.isfinite(loss) and math.isfinite(norm):
            self._clipped[group.rank] = clip_to(own, self.clip, norm)
            self.optimizer.step(self.parameters.flat, self.gradient.flat, lr)
            changed = self.parameters.flat[self.part]
            self._sizes[group.rank] = np.dot(changed, changed)  # finite only if all of them are, and below 1e19
            group.barrier()  # now all parameters are changed
            clipped = bool(self._clipped.any())
            self.model.refresh()
        return loss, norm, clipped, math.isfinite(self._sizes.sum())

    def evaluate(self) -> Array:
        """The losses (T, B) of the present validation window, in nats, without dropout.

        They are shared memory, which the next window overwrites. Only the main process may use them: for the others
        the next window may already have begun.
        """
        window, group = self.validation, self.group
        assert window is not None
        inputs, targets = window.begin()
        losses = self._validation_losses[window.work.steps, window.sequences]
        losses[...] = self.model.losses(window.work, inputs, targets)
        group.barrier()
        return self._validation_losses
