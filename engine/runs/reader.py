"""The reading side of a run's directory, for runs that are over, have crashed or go on in another process."""

from __future__ import annotations

import contextlib
import os
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast, get_args

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

COLUMNS = ("epoch", "time", "loss", "val_loss", "lr", "grad_norm", "chars_per_second", "reach")


class RunReader:
    """A run as its directory has it; nothing is written. `UserError` where `path` is not a run."""

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.abspath(path))
        self.record: RunRecord = read_record(self.path)

    @property
    def config(self) -> Config:
        """Its settings."""
        return self.record.config

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """Its characters in index order."""
        return self.record.vocabulary

    @property
    def info(self) -> RunInfo:
        """What viewers are told about it."""
        return self.record.info(self.path)

    @property
    def pid(self) -> int | None:
        """The process that writes it, None where nobody does."""
        return holder(self.path)

    @property
    def status(self) -> dict[str, Any]:
        """What it said last: state, reason, step, loss, best_val_loss, updated; any may be missing."""
        return read_state(self.path)

    @property
    def state(self) -> State:
        """What it is doing, "crashed" where it says it goes on but nobody writes it."""
        alive = self.pid is not None  # asked first: a run that ends in between has said so by then
        said = self.status.get("state")
        if said not in get_args(State):  # it ended, or was damaged, before it could say anything
            said = "starting"
        return "crashed" if said in UNFINISHED and not alive else cast(State, said)

    @cached_property
    def _rows(self) -> list[dict[str, Any]]:
        return read_rows(self.path / METRICS)

    def metrics(self) -> dict[str, NDArray[Any]]:
        """Columns of the metrics by name, (reports,) each: `step`, and COLUMNS with NaN where nothing was measured."""
        columns: dict[str, NDArray[Any]] = {"step": np.array([row["step"] for row in self._rows], np.int64)}
        for name in COLUMNS:
            columns[name] = np.array([row.get(name) for row in self._rows], np.float64)
        return columns

    def history(self) -> HistoryKeeper:
        """The curves, made again from the metrics, ready for further steps."""
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
        """Its finished samples, oldest first."""
        found = []
        for row in read_rows(self.path / SAMPLES):
            with contextlib.suppress(KeyError, TypeError, ValueError):  # a damaged line costs only itself
                found.append(sample_from_row(row))
        return found

    def gradient_flows(self) -> list[GradientFlow]:
        """The recorded moments of its gradient flow, oldest first."""
        found = []
        for row in read_rows(self.path / GRADIENTS):
            with contextlib.suppress(KeyError, TypeError, ValueError):
                found.append(flow_from_row(row))
        return found

    def kept_steps(self) -> list[int]:
        """The steps whose weights were kept."""
        return kept_weights.steps(self.path)

    def weights(self, moment: int | Literal["latest", "best"] = "latest") -> Parameters:
        """Its parameters: the latest, those with the lowest validation loss, or those kept at a step."""
        if isinstance(moment, int):
            arrays = kept_weights.load(self.path, moment)
        else:
            arrays, _ = checkpoint.read(self.path / (MODEL if moment == "latest" else BEST))
        parameters = Parameters(self.config.architecture(len(self.vocabulary)))
        try:
            parameters.load(arrays)
        except ValueError as error:
            raise UserError(f"{self.path}: its weights are of another network than its config.json ({error})") from None
        return parameters
