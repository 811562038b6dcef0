"""Truncated back-propagation through time: one step after another, nothing else.

`train` is a generator. Headless training is a `for`, pausing is not calling `next`, a test is `islice`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from engine import schedules
from engine.batches import Batches
from engine.cells.layer import Clamps
from engine.config import Config, parse_clip, parse_init, parse_schedule
from engine.model import Model, State, Workspace
from engine.numerics import Codes
from engine.optimizers import OPTIMIZERS, clip_gradient
from engine.parameters import Architecture, Array, Parameters, initialize
from engine.shares import Helper, Share

# Validation reads at most so many windows of 32 sequences × 50 steps: some 50,000 characters, enough for ±0.01 nats.
VALIDATION_WINDOWS = 32
VALIDATION_BATCH = 32
VALIDATION_SEQ = 50


@dataclass(frozen=True, slots=True)
class Step:
    """What one training step was: `step` counts those done, losses in nats per character."""

    step: int
    epoch: float
    loss: float
    grad_norm: float  # before clipping
    lr: float


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


class Trainer:
    """Everything that training changes: parameters, optimiser, position, hidden state, random state.

    `train_codes` and `valid_codes` are vocabulary indices (N,). The same seed gives the same numbers.
    """

    def __init__(
        self,
        config: Config,
        vocabulary_size: int,
        train_codes: Codes,
        valid_codes: Codes,
        *,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.config = config
        init_seed, dropout_seed = np.random.SeedSequence(config.seed).spawn(2)
        self.rng = np.random.Generator(np.random.PCG64(dropout_seed))
        architecture = architecture_of(config, vocabulary_size)
        self.parameters: Parameters = initialize(
            architecture, np.random.Generator(np.random.PCG64(init_seed)), dtype, std=parse_init(config.init)
        )
        self.helpers = self._share_out(architecture, np.dtype(dtype).name)
        self.model = Model(self.parameters)
        self.gradient = self.parameters.zeros_like()
        self.optimizer = OPTIMIZERS[config.optimizer](self.parameters.flat)
        self.schedule = parse_schedule(config.schedule)
        self.clip = parse_clip(config.clip)
        self.batches = Batches(train_codes, config.batch, config.seq)
        self.work = Workspace(self.model, config.seq, self.own)
        self.validation = validation_batches(valid_codes)
        self._validation_work: Workspace | None = None
        self.lr = config.lr  # the base rate, which may be changed on the way
        self.steps = 0

    @property
    def epoch(self) -> float:
        """How many times the training text has been read."""
        return self.steps / self.batches.windows_per_epoch

    @property
    def next_lr(self) -> float:
        """The learning rate of the next step: the base rate times the schedule's factor."""
        return self.lr * schedules.factor(self.schedule, self.steps)

    def step(self) -> Step:
        """Do one step. Where loss or gradient are not finite, the parameters stay as they were."""
        index = self.steps % self.batches.windows_per_epoch
        inputs, targets = self.batches.window(index)
        loss = self._loss_and_gradient(inputs, targets, fresh=index == 0)
        lr = self.next_lr
        grad_norm = clip_gradient(self.gradient.flat, self.clip)
        if math.isfinite(loss) and math.isfinite(grad_norm):
            self.optimizer.update(self.parameters.flat, self.gradient.flat, lr)
            self.refresh()
        self.steps += 1
        return Step(self.steps, self.epoch, loss, grad_norm, lr)

    def refresh(self) -> None:
        """Let all who compute with the parameters know that they have changed."""
        self.model.refresh()
        for helper in self.helpers:
            helper.block.parameters[:] = self.parameters.flat

    def _loss_and_gradient(self, inputs: Codes, targets: Codes, *, fresh: bool) -> float:
        """The mean loss of a window (T, B); its gradient is left in `gradient`. Helpers do their part meanwhile."""
        start = self.own
        for helper in self.helpers:
            columns = slice(start, start + helper.share.batch)
            helper.begin(inputs[:, columns], targets[:, columns], fresh=fresh)
            start = columns.stop
        if fresh:
            self.work.reset()
        else:
            self.work.carry()
        loss = self.model.loss_and_gradient(
            self.work,
            inputs[:, : self.own],
            targets[:, : self.own],
            self.gradient,
            last_only=self.config.loss == "last",
            rng=self.rng if self.config.dropout else None,
        )
        if self.helpers:
            flat, batch = self.gradient.flat, self.config.batch
            np.multiply(flat, self.own / batch, out=flat)
            loss *= self.own / batch
            for helper in self.helpers:
                loss += helper.wait() * (helper.share.batch / batch)
                gradient = helper.block.gradient
                np.multiply(gradient, helper.share.batch / batch, out=gradient)
                np.add(flat, gradient, out=flat)
        return loss

    def _share_out(self, architecture: Architecture, dtype: str) -> list[Helper]:
        """Give each further process its part of the batch; the first part, `own`, stays here."""
        config = self.config
        workers = max(1, min(config.workers, config.batch)) if not config.dropout else 1
        sizes = [config.batch // workers + (index < config.batch % workers) for index in range(workers)]
        self.own = sizes[0]
        last_only = config.loss == "last"
        helpers = [Helper(Share(architecture, config.seq, size, last_only, dtype)) for size in sizes[1:]]
        for helper in helpers:
            helper.block.parameters[:] = self.parameters.flat
        return helpers

    def close(self) -> None:
        """End the processes that share the work."""
        for helper in self.helpers:
            helper.close()

    def end_state(self) -> State:
        """Copies of every layer's hidden state after the last step, each part (H, B)."""
        shares = [self.work.end_state(), *(helper.end_state() for helper in self.helpers)]
        return tuple(
            tuple(np.concatenate(parts, axis=1) for parts in zip(*layers, strict=True))
            for layers in zip(*shares, strict=True)
        )

    def _restore_state(self, state: State) -> None:
        start = self.own
        self.work.restore(tuple(tuple(part[:, :start] for part in layer) for layer in state))
        for helper in self.helpers:
            columns = slice(start, start + helper.share.batch)
            helper.restore(tuple(tuple(part[:, columns] for part in layer) for layer in state))
            start = columns.stop

    def validate(self, clamps: dict[int, Clamps] | None = None) -> float | None:
        """Mean loss over the validation text in nats per character; None where there is none."""
        if self.validation is None:
            return None
        if self._validation_work is None:
            batch, seq = self.validation.batch, self.validation.seq
            self._validation_work = Workspace(self.model, seq, batch, train=False)
        return mean_loss(self.model, self._validation_work, self.validation, clamps)

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Copies of all that a resumed run needs to go on with the same bits: arrays, and plain values."""
        arrays = {name: view.copy() for name, view in self.parameters.views.items()}
        for slot, flat in self.optimizer.slots.items():
            arrays[f"optimizer.{slot}"] = flat.copy()
        for layer, parts in enumerate(self.end_state()):
            for part, array in zip("hc", parts, strict=False):
                arrays[f"state.{part}_l{layer}"] = array
        meta = {
            "steps": self.steps,
            "lr": self.lr,
            "optimizer_steps": self.optimizer.steps,
            "random": self.rng.bit_generator.state,
        }
        return arrays, meta

    def restore(self, arrays: dict[str, Array], meta: dict[str, Any]) -> None:
        """Go on from what `state` gave; `ValueError` where it belongs to another network."""
        shapes = self.parameters.architecture.shapes()
        self.parameters.load({name: array for name, array in arrays.items() if name in shapes})
        try:
            for slot, flat in self.optimizer.slots.items():
                flat[...] = arrays[f"optimizer.{slot}"]
            parts = "hc" if self.config.cell == "lstm" else "h"
            state: State = tuple(
                tuple(arrays[f"state.{part}_l{layer}"] for part in parts) for layer in range(self.config.layers)
            )
        except KeyError as error:
            raise ValueError(f"{error.args[0]} is missing") from None
        self._restore_state(state)
        self.steps = int(meta["steps"])
        self.lr = float(meta["lr"])
        self.optimizer.steps = int(meta["optimizer_steps"])
        self.rng.bit_generator.state = meta["random"]
        self.refresh()


def train(trainer: Trainer, steps: int | None = None) -> Iterator[Step]:
    """Steps up to number `steps`, counted from the run's beginning; without it, without end."""
    while steps is None or trainer.steps < steps:
        yield trainer.step()


def validation_batches(codes: Codes) -> Batches | None:
    """How the validation text is read, or None where there is not even one character to predict."""
    if len(codes) < 2:
        return None
    seq = min(VALIDATION_SEQ, len(codes) - 1)
    return Batches(codes, min(VALIDATION_BATCH, (len(codes) - 1) // seq), seq)


def mean_loss(model: Model, work: Workspace, batches: Batches, clamps: dict[int, Clamps] | None = None) -> float:
    """Mean loss in nats per character over the first windows of `batches`, from a zero state."""
    work.reset()
    total = 0.0
    windows = min(batches.windows_per_epoch, VALIDATION_WINDOWS)
    for index in range(windows):
        if index:
            work.carry()
        inputs, targets = batches.window(index)
        total += float(model.losses(work, inputs, targets, clamps).mean(dtype=np.float64))
    return total / windows
