"""Truncated back-propagation through time: one step after another, nothing else.

Truncated means that the gradient goes back only to the beginning of a window, although the hidden state is carried on
from window to window (Williams and Peng, An efficient gradient-based algorithm for on-line training of recurrent
network trajectories, 1990).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from engine.arrays import Array, Codes
from engine.config import Config
from engine.errors import closed_on_failure
from engine.network.cells.cell import cell_of
from engine.network.cells.group import ALONE
from engine.network.cells.layer import Clamps
from engine.network.model import Model
from engine.network.parameters import Parameters
from engine.setting import LARGEST
from engine.syntax import parse_schedule
from engine.text.stretches import StretchLosses
from engine.training.batches import Batches
from engine.training.contention import Contention
from engine.training.optimizers import OPTIMIZERS
from engine.training.seeds import dropout_generator, first_parameters
from engine.training.training import Step, Window
from engine.training.validation import ValidationText
from engine.training.worker import EVALUATE, REFRESH, STEP, TAKE_STATE
from engine.training.workers import start_workers


class Trainer:
    """Holds all that training changes: parameters, optimiser, position in the text, hidden state, random state.

    `train_codes` (N,) and `valid_codes` (M,) are vocabulary indices; at `starts` begin parts of the training text that
    do not follow each other. `validation` is what is measured where that is not the text `valid_codes`. The same seed
    gives the same bits, as long as `config.threads` and `config.workers` are the same too. If there is more than one
    worker, this process starts the others, and `close` ends them. If the system refuses some of them, there are fewer:
    `config.workers` has their number, and `refusal` the reason. Raises `ConfigError` if the training text is too short
    for a window.
    """

    is_ours = True  # this program makes the steps, and
    has_step = False  # none but in `step`

    def __init__(
        self,
        config: Config,
        vocabulary_size: int,
        train_codes: Codes,
        valid_codes: Codes,
        *,
        dtype: DTypeLike = np.float32,
        starts: Sequence[int] = (0,),
        validation: ValidationText | None = None,
    ) -> None:
        self.batches = Batches(train_codes, config.batch, config.seq, starts)
        self.schedule = parse_schedule(config.schedule, self.batches.windows_per_epoch)
        self.validation = validation or (ValidationText(train_codes, valid_codes) if len(valid_codes) else None)
        self.rng = dropout_generator(config)
        self.lr = config.lr  # the base learning rate, which may be changed during training
        self.steps = 0
        self.has_finite_weights = True  # after the last step
        shape = (self.validation.seq, self.validation.batch) if self.validation else None
        self.replica, self.workers, self.refusal = start_workers(config, vocabulary_size, np.dtype(dtype), shape)
        self.config = config.replace(workers=1 + len(self.workers)) if self.refusal else config
        with closed_on_failure(self.close):
            self.contention = Contention(self.replica.group)
            self.parameters, self.optimizer = self.replica.parameters, self.replica.optimizer
            self.parameters.flat[:] = first_parameters(config, vocabulary_size, dtype).flat
            self.model = self._whole_model()
            self.refresh()

    def _whole_model(self) -> Model:
        """The network with all units: the replica's own one, unless that has some of them only."""
        own = self.replica.model
        return own if own.group is ALONE else Model(self.parameters, batch=self.config.batch, refresh=False)

    def _send(self, request: bytes) -> None:
        for worker in self.workers:
            worker.send(request)

    @property
    def epoch(self) -> float:
        """How many times the training text has been read."""
        return self.steps / self.batches.windows_per_epoch

    @property
    def validated(self) -> int:
        """How many characters of the validation text a validation measures."""
        return int(self.validation.counts.sum()) if self.validation else 0

    @property
    def windows_per_epoch(self) -> int:
        """How many windows the training text has, and so how many steps an epoch."""
        return self.batches.windows_per_epoch

    @property
    def worker_pids(self) -> list[int]:
        """The ids of the other processes that share the work."""
        return [worker.process.pid for worker in self.workers]

    @property
    def slowdown(self) -> str:
        """Why steps take longer than they need to, in a sentence; empty if they do not."""
        return self.contention.warning

    @property
    def is_clipping(self) -> bool:
        """Whether gradients are clipped."""
        return self.replica.clip.kind != "none"

    def show(self) -> None:
        """Have `parameters` and `model` hold the present weights: they always do."""

    @property
    def next_lr(self) -> float:
        """The learning rate of the next step: the base rate times the schedule's factor."""
        return self.lr * self.schedule.factor(self.steps)

    def step(self) -> Step:
        """Make one training step. If loss or gradient are not finite, the parameters stay as they were.

        Raises `RuntimeError` if a worker process has ended.
        """
        index = self.steps % self.batches.windows_per_epoch
        lr = self.next_lr
        with self.contention.step():
            self.replica.prepare(*self.batches.window(index), lr, fresh=self.batches.is_first(index))
            self._send(STEP)
            rng = self.rng if self.config.dropout else None
            loss, grad_norm, clipped, self.has_finite_weights = self.replica.step(rng)
        self.model.is_stale = self.model is not self.replica.model
        self.steps += 1
        return Step(self.steps, self.epoch, loss, grad_norm, lr, clipped)

    def next_window(self, sequence: int) -> Window:
        """What sequence number `sequence`, 0 … B − 1, of the batch will read in the next step."""
        index = self.steps % self.batches.windows_per_epoch
        inputs, targets = self.batches.window(index)
        state = tuple(tuple(part[sequence, None] for part in layer) for layer in self.replica.window.state)
        begins = self.batches.is_first(index)
        return Window(inputs[:, sequence], targets[:, sequence], None if begins else state)

    def refresh(self) -> None:
        """Rebuild the working matrices of all processes, after the parameters were changed from outside."""
        self._send(REFRESH)
        self.replica.model.refresh()
        self.model.is_stale = self.model is not self.replica.model

    def wake(self) -> None:
        """Have workers that were suspended finish their step. A signal handler may call this."""
        for worker in self.workers:
            worker.wake()

    def close(self) -> None:
        """End the worker processes."""
        for worker in self.workers:
            worker.close()

    def validate(self, clamps: dict[int, Clamps] | None = None) -> StretchLosses | None:
        """The losses on the stretches of the validation text; None if there is no validation text.

        `clamps` has, for some layers, (unit, value) pairs of h that are held fixed. Which characters are measured,
        says `engine.text.stretches`.
        """
        text = self.validation
        if text is None:
            return None
        if clamps:  # this is rare, and done without the other processes
            return text.losses_of(self.model, clamps)
        assert self.replica.validation is not None
        sums = np.zeros(text.batch)
        for index in range(text.windows):
            self.replica.validation.put(*text.window(index), fresh=index == 0)
            self._send(EVALUATE)
            sums += text.sums(index, self.replica.evaluate())
        return text.losses(sums)

    def training_loss(self) -> float:
        """Mean loss over the first window of the training text, from a zero state and without dropout.

        In nats per character. It says whether the present parameters give a finite loss where no validation text does.
        """
        work = self.model.workspace(self.batches.seq, self.batches.batch, train=False)
        return float(self.model.losses(work, *self.batches.window(0)).mean(dtype=np.float64))

    @property
    def is_finite(self) -> bool:
        """Whether all parameters, slots of the optimiser and hidden states are finite numbers."""
        states = (part for layer in self.replica.window.state for part in layer)
        return all(np.isfinite(each).all() for each in (self.parameters.flat, *self.optimizer.slots.values(), *states))

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Copies of all that a resumed run needs to go on with the same bits: arrays by name, and plain values.

        The parameters have PyTorch's names. Each slot of the optimiser is `optimizer.SLOT` (P,). The states of layer N
        are `state.h_lN` and, if the cell has one, `state.c_lN`, (H, B) each.
        """
        arrays = {name: view.copy() for name, view in self.parameters.views.items()}
        for slot, flat in self.optimizer.slots.items():
            arrays[f"optimizer.{slot}"] = flat.copy()
        for layer, parts in enumerate(self.replica.window.state):
            for part, array in zip(cell_of(self.config.cell).states, parts, strict=True):
                arrays[f"state.{part}_l{layer}"] = array.copy().T  # files have (H, B)
        meta = {
            "steps": self.steps,
            "lr": self.lr,
            "optimizer_steps": self.optimizer.steps,
            "random": self.rng.bit_generator.state,
        }
        return arrays, meta

    def restore(self, arrays: dict[str, Array], meta: dict[str, Any]) -> None:
        """Set all that `state` returned.

        Raises `ValueError` if it belongs to another network, or is not finite; then nothing is changed.
        """
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise ValueError(f"{name} has values that are not finite numbers")
        lr = float(meta["lr"])
        if not 0 < lr <= LARGEST:
            raise ValueError(f"a learning rate of {lr}")
        shapes = self.parameters.architecture.shapes()
        self.parameters.load({name: array for name, array in arrays.items() if name in shapes})
        try:
            for slot, flat in self.optimizer.slots.items():
                flat[...] = arrays[f"optimizer.{slot}"]
            parts = cell_of(self.config.cell).states
            state = [[arrays[f"state.{part}_l{layer}"].T for part in parts] for layer in range(self.config.layers)]
        except KeyError as error:
            raise ValueError(f"{error.args[0]} is missing") from None
        for layer, saved_layer in zip(self.replica.window.state, state, strict=True):
            for part, saved_part in zip(layer, saved_layer, strict=True):
                part[...] = saved_part
        self._send(TAKE_STATE)
        self.replica.window.take_state()
        self.steps = int(meta["steps"])
        self.lr = lr
        self.optimizer.steps = int(meta["optimizer_steps"])
        self.rng.bit_generator.state = meta["random"]
        self.refresh()


def state_shapes(config: Config, vocabulary_size: int) -> dict[str, tuple[int, ...]]:
    """The shapes of the arrays of `Trainer.state` by name."""
    architecture = config.architecture(vocabulary_size)
    parts = cell_of(config.cell).states
    return {
        **architecture.shapes(),
        **{f"optimizer.{slot}": (Parameters.size(architecture),) for slot in OPTIMIZERS[config.optimizer].slot_names},
        **{f"state.{part}_l{n}": (config.hidden, config.batch) for n in range(config.layers) for part in parts},
    }
