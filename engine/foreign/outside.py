"""Stands in a run for a training loop that somebody else has written, and that runs elsewhere in this process."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, Protocol, SupportsFloat

import numpy as np

from engine.arrays import Array
from engine.config import Config
from engine.foreign.names import Match
from engine.foreign.network import take_over
from engine.foreign.vocabulary import ForeignVocabulary
from engine.network.cells.layer import Clamps
from engine.network.model import Model
from engine.network.parameters import Parameters
from engine.text.corpus import Corpus
from engine.text.stretches import StretchLosses
from engine.training.batches import windows_per_epoch
from engine.training.trainer import state_shapes
from engine.training.training import Step, Window
from engine.training.validation import ValidationText


class Rate(Protocol):
    """The learning rate of somebody else's optimiser; 0 where there is none to be seen."""

    def get(self) -> float: ...
    def scale(self, factor: float) -> None: ...


class _Made(NamedTuple):
    """A step that the loop has made; its loss may still be on a GPU."""

    loss: SupportsFloat
    grad_norm: float
    lr: float


class OutsideTrainer:
    """Implements `engine.training.training.Training` for a loop that calls `made` after each of its steps.

    `tensors` gives the network's present numbers, by the names in `match`. They are copied only when somebody looks at
    them, or they are to be saved. The optimiser's own numbers stay where they are: a checkpoint has zeros in their
    place, and a run that this program resumes begins with a fresh optimiser.

    Several steps may wait until the run takes them, one by one. The weights are those after the last one, so the run
    takes all steps before it reads them.
    """

    is_ours = False
    refusal = slowdown = ""
    worker_pids: ClassVar[list[int]] = []
    has_finite_weights = True  # not checked: weights that are not finite show in the loss
    is_clipping = False  # what the loop does to its gradients is not known
    next_window: Callable[[int], Window] | None = None  # what it reads next is not known
    restore: Callable[[dict[str, Array], dict[str, Any]], None] | None = None  # the loop goes on as it does

    def __init__(
        self,
        config: Config,
        match: Match,
        vocabulary: ForeignVocabulary,
        corpus: Corpus,
        tensors: Callable[[], Mapping[str, Array]],
        rate: Rate,
    ) -> None:
        self.config, self._match, self._vocabulary = config, match, vocabulary
        self._tensors, self._rate = tensors, rate
        parts = corpus.measured()
        self.validation = ValidationText(corpus.before, corpus.after, parts) if parts else None
        self.windows_per_epoch = max(1, windows_per_epoch(len(corpus.train), config.batch, config.seq))
        self.steps = 0
        self.made_steps = 0  # `steps` of these have been returned by `step`
        self._waiting: deque[_Made] = deque()  # the others
        self._last = Step(0, 0.0, np.nan, np.nan, 0.0)
        self._shown: int | None = None  # the step whose numbers `parameters` has
        self._parameters = Parameters(match.architecture)
        self._model = Model(self._parameters, refresh=False)
        self.show()

    @property
    def parameters(self) -> Parameters:
        self.show()
        return self._parameters

    @property
    def model(self) -> Model:
        self.show()
        return self._model

    def show(self) -> None:
        if self._shown != self.steps:
            take_over(self._parameters, self._tensors(), self._match, self._vocabulary)
            self._model.refresh()
            self._shown = self.steps

    @property
    def lr(self) -> float:
        return self._rate.get()

    @lr.setter
    def lr(self, value: float) -> None:
        if (before := self._rate.get()) > 0:
            self._rate.scale(value / before)

    @property
    def next_lr(self) -> float:
        return self.lr

    @property
    def epoch(self) -> float:
        return self.steps / self.windows_per_epoch

    @property
    def validated(self) -> int:
        return int(self.validation.counts.sum()) if self.validation else 0

    @property
    def is_finite(self) -> bool:
        return bool(np.isfinite(self.parameters.flat).all())

    @property
    def has_step(self) -> bool:
        return bool(self._waiting)

    def made(self, loss: SupportsFloat, grad_norm: float) -> None:
        """Note that the loop has made a step. `loss` is in nats per character; `grad_norm` is NaN if it is unknown."""
        self.made_steps += 1
        self._waiting.append(_Made(loss, grad_norm, self.lr))

    def step(self) -> Step:
        loss, grad_norm, lr = self._waiting.popleft()
        self.steps += 1
        self._last = Step(self.steps, self.epoch, float(loss), grad_norm, lr)
        if not math.isfinite(self._last.loss):
            self._waiting.clear()  # the run ends with this one
        return self._last

    def catch_up(self) -> None:
        """Count the steps that wait, without their losses: the weights are those after the last one."""
        self.steps += len(self._waiting)
        self._waiting.clear()

    def validate(self, clamps: dict[int, Clamps] | None = None) -> StretchLosses | None:
        return self.validation.losses_of(self.model, clamps) if self.validation else None

    def training_loss(self) -> float:
        return self._last.loss

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        views = self.parameters.views
        shapes = state_shapes(self.config, len(self._vocabulary))
        arrays = {name: views[name] if name in views else np.zeros(shape, np.float32) for name, shape in shapes.items()}
        random = np.random.PCG64(self.config.seed).state
        return arrays, {"steps": self.steps, "lr": self.lr or self.config.lr, "optimizer_steps": 0, "random": random}

    def refresh(self) -> None:
        self._model.refresh()

    def wake(self) -> None:
        pass

    def close(self) -> None:
        pass
