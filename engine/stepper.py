"""One training step, as every member of a team does its part of it: forward, backward, clipping, optimiser."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from engine.config import Config, parse_clip
from engine.model import Model
from engine.numerics import Codes, cross_entropy
from engine.optimizers import OPTIMIZERS, Optimizer, clip_to
from engine.parameters import Architecture, Array, Parameters
from engine.team import Team
from engine.workspace import Workspace


def architecture_of(config: Config, vocabulary_size: int) -> Architecture:
    """The network that `config` asks for."""
    return Architecture(
        cell=config.cell,
        vocabulary_size=vocabulary_size,
        hidden_size=config.hidden,
        layers=config.layers,
        embedding_size=config.embedding,
        onehot=config.input == "onehot",
        dropout=config.dropout,
    )


class Window:
    """T steps of B sequences for a team to read: the characters, which one member puts there, and the arrays."""

    def __init__(self, model: Model, seq: int, batch: int, *, train: bool) -> None:
        self.work = Workspace(model, seq, batch, train=train)
        self.inputs: Codes = model.team.zeros((seq, batch), np.intp)
        self.targets: Codes = model.team.zeros((seq, batch), np.intp)
        self._fresh: Array = model.team.zeros((1,), np.float64)

    def put(self, inputs: Codes, targets: Codes, *, fresh: bool) -> None:
        """What is read next; `fresh`: from a zero state, not from where the last window ended."""
        self.inputs[...] = inputs
        self.targets[...] = targets
        self._fresh[0] = fresh

    def begin(self) -> None:
        """Put the state where the window begins."""
        if self._fresh[0]:
            self.work.reset()
        else:
            self.work.carry()


class Stepper:
    """Parameters, gradient, optimiser and workspaces, in memory that the team shares; the model has the own units.

    `validation` is the shape (T, B) of the windows to evaluate on, where there are any.
    """

    def __init__(
        self,
        config: Config,
        vocabulary_size: int,
        dtype: DTypeLike,
        team: Team,
        validation: tuple[int, int] | None = None,
    ) -> None:
        architecture = architecture_of(config, vocabulary_size)
        count = Parameters.size(architecture)
        self.team = team
        self.parameters = Parameters(architecture, dtype, flat=team.zeros((count,), dtype))
        self.gradient = Parameters(architecture, dtype, flat=team.zeros((count,), dtype))
        self.model = Model(self.parameters, team, batch=config.batch, refresh=False)
        self.window = Window(self.model, config.seq, config.batch, train=True)
        self.validation = Window(self.model, *validation, train=False) if validation else None
        self.part = team.part(count)
        self.optimizer: Optimizer = OPTIMIZERS[config.optimizer](self.parameters.flat, self.part, team.zeros)
        self.clip = parse_clip(config.clip)
        self.last_only = config.loss == "last"
        self._rate: Any = team.zeros((2,), np.float64)  # the learning rate, and the optimiser's steps so far
        self._squares: Array = team.zeros((team.size,), np.float64)

    def prepare(self, inputs: Codes, targets: Codes, lr: float, *, fresh: bool) -> None:
        """Say what the next step is about; one member does so for all."""
        self.window.put(inputs, targets, fresh=fresh)
        self._rate[...] = lr, self.optimizer.steps

    def step(self, rng: np.random.Generator | None = None) -> tuple[float, float]:
        """Do it: the loss, and the gradient's norm before clipping. If one is not finite, no parameter changes."""
        lr, done = self._rate.tolist()
        self.optimizer.steps = int(done)
        window = self.window
        window.begin()
        loss = self.model.loss_and_gradient(
            window.work, window.inputs, window.targets, self.gradient, last_only=self.last_only, rng=rng
        )
        self.team.meet()
        own = self.gradient.flat[self.part]
        self._squares[self.team.rank] = np.dot(own, own)
        self.team.meet()
        norm = math.sqrt(self._squares.sum())
        if math.isfinite(loss) and math.isfinite(norm):
            clip_to(own, self.clip, norm)
            self.optimizer.step(self.parameters.flat, self.gradient.flat, lr)
            self.team.meet()
            self.model.refresh()
        return loss, norm

    def evaluate(self) -> float:
        """Mean loss over the window of validation text that was put there, without dropout."""
        window = self.validation
        assert window is not None
        window.begin()
        work = window.work
        self.model.forward(work, window.inputs)
        losses = cross_entropy(work.own_logits, window.targets.ravel()[work.columns])
        work.losses[self.team.rank] = losses.sum(dtype=np.float64) / window.targets.size
        self.team.meet()
        return float(work.losses.sum())
