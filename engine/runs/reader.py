"""Reads the directory of a run that has ended, has crashed, or goes on in another process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

import numpy as np
from numpy.typing import NDArray

from engine.config import Config
from engine.errors import UserError
from engine.network.parameters import Parameters
from engine.probes.results import GradientFlow, Sample
from engine.runs import checkpoint, kept_weights
from engine.runs.history import HistoryKeeper
from engine.runs.lock import holder
from engine.runs.logs import flow_from_row, read_rows, sample_from_row
from engine.runs.record import RunInfo, RunRecord, State, read_record
from engine.runs.writer import BEST, GRADIENTS, METRICS, MODEL, SAMPLES, UNFINISHED, read_state

Parsed = TypeVar("Parsed", Sample, GradientFlow)
COLUMNS = (
    *("epoch", "time", "loss", "lr", "grad_norm", "chars_per_second"),
    *("val_loss", "val_loss_se", "regret", "regret_se", "reach"),
)


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
        return self.record.info(self.path)

    @property
    def pid(self) -> int | None:
        """The id of the process that writes the run; None if there is none, 0 if the id is unknown."""
        return holder(self.path)

    @property
    def status(self) -> dict[str, Any]:
        """The content of `state.json`: state, reason, step, loss, best_val_loss, pid, updated. Any may be missing."""
        return read_state(self.path)

    @property
    def state(self) -> State:
        """The state that the run wrote last; "crashed" if that is an unfinished one, and no process writes the run."""
        alive = self.pid is not None  # read before `status`: a run that ends in between writes its last state first
        state = self.status.get("state")
        if state not in get_args(State):  # the file is damaged, or the run ended before it wrote one
            state = "starting"
        return "crashed" if state in UNFINISHED and not alive else cast(State, state)

    @cached_property
    def _rows(self) -> list[dict[str, Any]]:
        return read_rows(self.path / METRICS)

    def metrics(self) -> dict[str, NDArray[Any]]:
        """The columns of `metrics.jsonl`, `step` and COLUMNS, with a value for each line; NaN if the line has none."""
        columns: dict[str, NDArray[Any]] = {"step": np.array([row["step"] for row in self._rows], np.int64)}
        for name in COLUMNS:
            columns[name] = np.array([row.get(name) for row in self._rows], np.float64)
        return columns

    def history(self) -> HistoryKeeper:
        """The curves, made from the metrics; a resumed run adds its steps to them."""
        keeper = HistoryKeeper()
        columns = self.metrics()
        before = 0
        for place, step in enumerate(columns["step"].tolist()):
            epoch, seconds, loss, val_loss, reach = (
                float(columns[name][place]) for name in ("epoch", "time", "loss", "val_loss", "reach")
            )
            keeper.add(step, epoch, seconds, loss, steps=max(1, step - before))
            if not np.isnan(val_loss):
                keeper.add_validation(step, epoch, seconds, val_loss)
            if not np.isnan(reach):
                keeper.add_reach(step, reach)
            before = step
        return keeper

    def samples(self) -> list[Sample]:
        """The finished samples, oldest first; damaged lines are left out."""
        return self._parsed(SAMPLES, sample_from_row)

    def gradient_flows(self) -> list[GradientFlow]:
        """The recorded gradient flows, oldest first; damaged lines are left out."""
        return self._parsed(GRADIENTS, flow_from_row)

    def _parsed(self, log: str, parse: Callable[[dict[str, Any]], Parsed]) -> list[Parsed]:
        found = []
        for row in read_rows(self.path / log):
            with contextlib.suppress(KeyError, TypeError, ValueError):
                found.append(parse(row))
        return found

    def kept_steps(self) -> list[int]:
        """The steps whose weights are kept, in rising order."""
        return kept_weights.steps(self.path)

    def weights(self, which: int | Literal["latest", "best"] = "latest") -> Parameters:
        """The parameters saved last, those with the lowest validation loss, or those kept of a step.

        Raises `UserError` if they are missing or damaged, or belong to another network.
        """
        if isinstance(which, int):
            arrays = kept_weights.load(self.path, which)
        else:
            arrays, _ = checkpoint.read(self.path / (MODEL if which == "latest" else BEST))
        parameters = Parameters(self.config.architecture(len(self.vocabulary)))
        try:
            parameters.load(arrays)
        except ValueError as error:
            raise UserError(f"{self.path}: its weights are of another network than its config.json ({error})") from None
        return parameters
