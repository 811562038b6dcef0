"""Reads the directory of a run that has ended, has crashed, or goes on in another process."""

from __future__ import annotations

import contextlib
import math
import os
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.config import Config
from engine.errors import UserError
from engine.network.parameters import Architecture, Parameters, mismatch
from engine.probes.results import Sample
from engine.runs import checkpoint, kept_weights
from engine.runs.checkpoint import Shapes
from engine.runs.directory import is_open_to_others
from engine.runs.history import POINTS, RECENT, HistoryKeeper
from engine.runs.lock import holder
from engine.runs.logs import rows_in
from engine.runs.prompts import Prompts, read_prompts
from engine.runs.record import CONFIG, RunInfo, RunRecord, State, read_record
from engine.runs.rows import columns, parsed, sample_from_row
from engine.runs.saved_values import CheckpointValues, checkpoint_values, require_shapes, step_of_weights
from engine.runs.status import Status, read_status, state_now
from engine.runs.waiting_weights import BEST
from engine.runs.writer import CHECKPOINT, METRICS, MODEL, SAMPLES
from engine.training.memory import parameter_count, require_room

MANY = 16 * POINTS  # lines that are added to curves one by one
NEWEST = 1 << 26  # bytes at the end of a log of samples that are read; few runs have so many
COPIES = 12  # bytes for each parameter: as they are read, in the network's arrays, and once more in its own order


class RunReader:
    """Reads the run in the directory `path`, and writes nothing. Raises `UserError` if there is no run."""

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.abspath(path))
        self.record: RunRecord = read_record(self.path)

    @property
    def config(self) -> Config:
        """The run's settings."""
        return self.record.config

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The run's characters in index order."""
        return self.record.vocabulary

    @property
    def info(self) -> RunInfo:
        """The description of the run that a viewer gets first."""
        return self.record.info(self.path, prompt=self.prompts.typed)

    @property
    def prompts(self) -> Prompts:
        """What its viewers typed last."""
        return read_prompts(self.path)

    @property
    def caution(self) -> str:
        """One sentence if users other than the owner may write into the directory; empty otherwise."""
        with contextlib.suppress(OSError):
            if is_open_to_others(os.stat(self.path)):
                return f"{self.path}: other users may write into this directory; what is read from it may be theirs"
        return ""

    @property
    def pid(self) -> int | None:
        """The id of the process that writes the run; None if there is none, 0 if the id is unknown."""
        return holder(self.path)

    @property
    def status(self) -> Status:
        """What `state.json` says; as of a run that begins if there is none. Raises `UserError` if it is damaged."""
        return read_status(self.path)

    @property
    def state(self) -> State:
        """The state that the run wrote last; "crashed" if that is an unfinished one, and no process writes the run.

        Raises `UserError` if `state.json` is damaged.
        """
        pid = self.pid  # read before `status`: a run that ends in between writes its last state first
        return state_now(self.status, pid)

    @cached_property
    def _columns(self) -> dict[str, NDArray[Any]]:
        return columns(rows_in(self.path / METRICS, last=2 * NEWEST))

    def metrics(self) -> dict[str, NDArray[Any]]:
        """The columns of `metrics.jsonl`, `step` and COLUMNS, with a value for each line; NaN if the line has none.

        Damaged lines are left out.
        """
        return dict(self._columns)

    def history(self) -> HistoryKeeper:
        """The curves, made from the metrics; a resumed run adds its steps to them."""
        keeper, metrics, before = HistoryKeeper(), self.metrics(), 0
        for step, epoch, seconds, loss in _thinned(_rows(metrics, "epoch", "time", "loss")).tolist():
            keeper.add(int(step), epoch, seconds, loss, steps=max(1, int(step) - before))
            before = int(step)
        for step, epoch, seconds, val_loss in _thinned(_measured(metrics, "epoch", "time", "val_loss")).tolist():
            keeper.add_validation(int(step), epoch, seconds, val_loss)
        for step, error, reach in _thinned(_measured(metrics, "reach_se", "reach")).tolist():
            keeper.add_reach(int(step), reach, error)
        for step, lambda1 in _thinned(_measured(metrics, "lambda1")).tolist():
            keeper.add_lambda1(int(step), lambda1)
        return keeper

    def samples(self) -> list[Sample]:
        """The finished samples in the last `NEWEST` bytes of the log, oldest first; damaged lines are left out."""
        return list(parsed(rows_in(self.path / SAMPLES, last=NEWEST), sample_from_row))

    def kept_steps(self) -> list[int]:
        """The steps whose weights are kept, in rising order."""
        return kept_weights.steps(self.path)

    def weights(self, which: int | Literal["latest", "best"] = "latest") -> Parameters:
        """The parameters saved last, those with the lowest validation loss, or those kept of a step.

        Raises `UserError` if they are missing or damaged, belong to another network or vocabulary, or do not fit into
        this machine's memory.
        """
        return self.saved(which)[0]

    def saved(self, which: int | Literal["latest", "best"] = "latest") -> tuple[Parameters, int]:
        """The same parameters as from `weights`, and the step after which they were saved."""
        if isinstance(which, int):
            file = kept_weights.file_of(self.path, which)
        else:
            file = self.path / (MODEL if which == "latest" else BEST)
        arrays, values = checkpoint.read(file, self._check_shapes)
        step = step_of_weights(file, self.record, values)
        parameters = Parameters(self._architecture)
        parameters.load(arrays)
        return parameters, step

    def weights_before(self, step: int) -> tuple[int, Parameters] | None:
        """The step of the last kept weights before `step`, and their parameters; None if there are none to be read."""
        with contextlib.suppress(UserError, OSError):
            if earlier := [kept for kept in self.kept_steps() if kept < step]:
                return earlier[-1], self.weights(earlier[-1])
        return None

    def checkpoint(self) -> CheckpointValues:
        """The values of the run's checkpoint. Raises `UserError` if it is missing, damaged or of another network."""
        file = self.path / CHECKPOINT
        _, values = checkpoint.read(file, partial(require_shapes, file, self.record))
        return checkpoint_values(file, values)

    @property
    def _architecture(self) -> Architecture:
        return self.config.architecture(len(self.vocabulary))

    def _check_shapes(self, found: Shapes) -> None:
        """Raise `UserError` unless `found` are the shapes of this run's parameters, and there is memory for them."""
        numbers = sum(math.prod(shape) for shape in found.values())
        asked = parameter_count(self.config, len(self.vocabulary))
        if numbers == asked:  # the list of all shapes is as long as the network is deep
            problem = mismatch(self._architecture.shapes(), found)
        else:
            problem = f"they are {numbers:,} numbers, not {asked:,}"
        if problem:
            raise UserError(f"{self.path}: its weights are of another network than its {CONFIG} ({problem})")
        require_room(COPIES * asked, f"{self.path}: its network")


def _rows(metrics: dict[str, NDArray[Any]], *names: str) -> NDArray[np.float64]:
    """The columns `step` and `names` of `metrics` side by side, (lines, 1 + names)."""
    return np.stack([np.asarray(metrics[name], np.float64) for name in ("step", *names)], axis=1)


def _measured(metrics: dict[str, NDArray[Any]], *names: str) -> NDArray[np.float64]:
    """The rows of `_rows` in which the last column has a value."""
    rows = _rows(metrics, *names)
    return rows[~np.isnan(rows[:, -1])]


def _thinned(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """At most about `MANY` of the `rows` (n, w), and the last `RECENT`: older neighbours are replaced by their mean.

    Curves merge their older points anyway; to add hundreds of thousands of lines one by one would take seconds.
    """
    older = max(0, len(rows) - RECENT)
    group = older // MANY
    if group < 2:
        return rows
    end = older // group * group
    means = rows[:end].reshape(-1, group, rows.shape[1]).mean(axis=1)
    return np.concatenate([means, rows[end:]])
