"""One training step, as every member of a group does its part of it: forward, backward, clipping, optimiser."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from engine.arrays import Array, Codes
from engine.config import Config
from engine.network.model import Model
from engine.network.parameters import Parameters
from engine.network.workspace import State
from engine.syntax import parse_clip
from engine.training.optimizers import OPTIMIZERS, Optimizer, clip_to
from engine.training.process_group import ProcessGroup


class Window:
    """T steps of B sequences for a group to read, and the hidden state after them."""

    def __init__(self, model: Model, group: ProcessGroup, seq: int, batch: int, *, train: bool) -> None:
        self.own = group.part(batch)  # which sequences are this member's
        self.work = model.workspace(seq, self.own.stop - self.own.start, train=train)
        self.inputs: Codes = group.zeros((seq, batch), np.intp)
        self.targets: Codes = group.zeros((seq, batch), np.intp)
        self.share = self.work.batch / batch
        self.state: State = tuple(
            tuple(group.zeros((batch, part.shape[1]), part.dtype) for part in layer) for layer in self.work.end_state()
        )
        self._own_state: State = tuple(tuple(part[self.own] for part in layer) for layer in self.state)
        self._fresh: Array = group.zeros((1,), np.float64)

    def put(self, inputs: Codes, targets: Codes, *, fresh: bool) -> None:
        """What is read next; `fresh`: from a zero state, not from where the last window ended."""
        self.inputs[...] = inputs
        self.targets[...] = targets
        self._fresh[0] = fresh

    def begin(self) -> tuple[Codes, Codes]:
        """Put the state where the window begins; the own sequences, as inputs and targets."""
        if self._fresh[0]:
            self.work.reset()
        else:
            self.work.carry()
        return self.inputs[:, self.own], self.targets[:, self.own]

    def end(self) -> None:
        """Have the state there for all to see, also for those who outlive this process."""
        for layer, tape in zip(self._own_state, self.work.tapes, strict=True):
            for part, last in zip(layer, tape.end_state(), strict=True):
                part[...] = last

    def take_state(self) -> None:
        """Go on from the own part of `state`."""
        self.work.restore(self._own_state)


class Replica:
    """Parameters, gradients, optimiser and windows, in memory that the group shares.

    Each member runs the whole network over its own sequences, and changes its own part of the parameters along the
    sum of all gradients. `validation` is the shape (T, B) of the windows to evaluate on, where there are any.
    """

    def __init__(
        self,
        config: Config,
        vocabulary_size: int,
        dtype: DTypeLike,
        group: ProcessGroup,
        validation: tuple[int, int] | None = None,
    ) -> None:
        architecture = config.architecture(vocabulary_size)
        count = Parameters.size(architecture)
        self.group = group
        self.parameters = Parameters(architecture, dtype, flat=group.zeros((count,), dtype))
        self._gradients = [
            Parameters(architecture, dtype, flat=group.zeros((count,), dtype)) for _ in range(group.size)
        ]
        self.gradient = self._gradients[0]  # where the sum of all is made
        own = group.part(config.batch)
        self.model = Model(self.parameters, batch=own.stop - own.start, refresh=False)
        self.window = Window(self.model, group, config.seq, config.batch, train=True)
        self.validation = Window(self.model, group, *validation, train=False) if validation else None
        self.part = group.part(count)
        self.optimizer: Optimizer = OPTIMIZERS[config.optimizer](self.parameters.flat, self.part, group.zeros)
        self.clip = parse_clip(config.clip)
        self.last_only = config.loss == "last"
        self._rate: Any = group.zeros((2,), np.float64)  # the learning rate, and the optimiser's steps so far
        self._losses: Array = group.zeros((group.size,), np.float64)
        self._squares: Array = group.zeros((group.size,), np.float64)

    def prepare(self, inputs: Codes, targets: Codes, lr: float, *, fresh: bool) -> None:
        """Say what the next step is about; one member does so for all."""
        self.window.put(inputs, targets, fresh=fresh)
        self._rate[...] = lr, self.optimizer.steps

    def step(self, rng: np.random.Generator | None = None) -> tuple[float, float]:
        """Do it: the loss, and the gradient's norm before clipping. If one is not finite, no parameter changes.

        The hidden state moves on all the same.
        """
        lr, done = self._rate.tolist()
        self.optimizer.steps = int(done)
        group, window, gradient = self.group, self.window, self._gradients[self.group.rank]
        inputs, targets = window.begin()
        self._losses[group.rank] = self.model.loss_and_gradient(
            window.work, inputs, targets, gradient, last_only=self.last_only, share=window.share, rng=rng
        )
        window.end()
        group.barrier()
        own = self.gradient.flat[self.part]
        for other in self._gradients[1:]:
            np.add(own, other.flat[self.part], out=own)
        self._squares[group.rank] = np.dot(own, own)
        loss = float(self._losses.sum())
        group.barrier()
        norm = math.sqrt(self._squares.sum())
        if math.isfinite(loss) and math.isfinite(norm):
            clip_to(own, self.clip, norm)
            self.optimizer.step(self.parameters.flat, self.gradient.flat, lr)
            group.barrier()
            self.model.refresh()
        return loss, norm

    def evaluate(self) -> float:
        """Mean loss over the window of validation text that was put there, without dropout; for the main member.

        By the time that others look, it may have begun with the next.
        """
        window, group = self.validation, self.group
        assert window is not None
        inputs, targets = window.begin()
        losses = self.model.losses(window.work, inputs, targets)
        self._losses[group.rank] = losses.sum(dtype=np.float64) / window.targets.size
        group.barrier()
        return float(self._losses.sum())
