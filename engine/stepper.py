"""One training step, as every member of a team does its part of it: forward, backward, clipping, optimiser."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from engine.config import Config, parse_clip
from engine.model import Model
from engine.numerics import Codes
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


class Stepper:
    """Parameters, gradient, optimiser and workspace, in memory that the team shares; the model has the own units."""

    def __init__(self, config: Config, vocabulary_size: int, dtype: DTypeLike, team: Team) -> None:
        architecture = architecture_of(config, vocabulary_size)
        count = Parameters.size(architecture)
        self.team = team
        self.parameters = Parameters(architecture, dtype, flat=team.zeros((count,), dtype))
        self.gradient = Parameters(architecture, dtype, flat=team.zeros((count,), dtype))
        self.model = Model(self.parameters, team, refresh=False)
        self.work = Workspace(self.model, config.seq, config.batch)
        self.part = team.part(count)
        self.optimizer: Optimizer = OPTIMIZERS[config.optimizer](self.parameters.flat, self.part, team.zeros)
        self.clip = parse_clip(config.clip)
        self.last_only = config.loss == "last"
        self.inputs: Codes = team.zeros((config.seq, config.batch), np.intp)
        self.targets: Codes = team.zeros((config.seq, config.batch), np.intp)
        # The learning rate, the optimiser's steps so far, and whether the state starts from zero.
        self.order: Any = team.zeros((3,), np.float64)
        self._squares: Array = team.zeros((team.size,), np.float64)

    def prepare(self, inputs: Codes, targets: Codes, lr: float, *, fresh: bool) -> None:
        """Say what the next step is about; one member does so for all."""
        self.inputs[...] = inputs
        self.targets[...] = targets
        self.order[...] = lr, self.optimizer.steps, fresh

    def step(self, rng: np.random.Generator | None = None) -> tuple[float, float]:
        """Do it: the loss, and the gradient's norm before clipping. If one is not finite, no parameter changes."""
        lr, done, fresh = self.order.tolist()
        self.optimizer.steps = int(done)
        if fresh:
            self.work.reset()
        else:
            self.work.carry()
        loss = self.model.loss_and_gradient(
            self.work, self.inputs, self.targets, self.gradient, last_only=self.last_only, rng=rng
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
