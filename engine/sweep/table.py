"""A sweep as a table: a row for each run, with its settings, its state, and what was measured last."""

from __future__ import annotations

import math
from typing import Any

from engine.errors import UserError
from engine.runs.reader import RunReader
from engine.sweep.study import Study, StudyRun

MEASURED = ("loss", "val_loss", "best_val_loss", "reach", "gradient_ratio", "chars_per_second")


def rows(study: Study) -> list[dict[str, Any]]:
    """A row for each run: name, the settings that differ, state, reason, steps, seconds, and the `MEASURED` ones.

    Losses are in nats per character, the reach in characters; `gradient_ratio` is ‖G_0‖/‖G_{T−1}‖ of the last recorded
    gradient flow. None is what was not measured, or is not finite.
    """
    return [row(study, run) for run in study.runs]


def row(study: Study, run: StudyRun) -> dict[str, Any]:
    """The row of `run`, see `rows`."""
    config = study.config_of(run).to_json()
    settings = {name: config[name] for name in study.differing}
    values = {"state": run.state, "reason": run.reason, "steps": run.steps, "seconds": run.seconds}
    return {"name": run.name, **settings, **values, **_measured(study, run)}


def _measured(study: Study, run: StudyRun) -> dict[str, float | None]:
    try:
        reader = RunReader(study.directory(run))
        columns = reader.metrics()
        flows = reader.gradient_flows()
    except UserError:  # it has not begun, or its files are damaged
        return dict.fromkeys(MEASURED)
    found = {name: _last(columns[name].tolist()) for name in MEASURED if name in columns}
    measured = [loss for loss in columns["val_loss"].tolist() if math.isfinite(loss)]
    found["best_val_loss"] = min(measured, default=None)
    found["gradient_ratio"] = None
    if flows and flows[-1].norms[-1]:
        found["gradient_ratio"] = _last([float(flows[-1].norms[0] / flows[-1].norms[-1])])
    return {name: found[name] for name in MEASURED}


def _last(values: list[float]) -> float | None:
    """The last finite one of `values`."""
    return next((value for value in reversed(values) if math.isfinite(value)), None)
