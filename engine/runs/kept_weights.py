"""Weights kept during training, at steps spread evenly on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from engine.errors import UserError
from engine.runs import checkpoint
from engine.runs.files import PRIVATE_DIRECTORY

DIRECTORY = "moments"  # the name that the first version gave it
LIMIT = 24  # files at most, so that the disk space of a run stays bounded


def keep(run: Path, step: int, weights: Mapping[str, NDArray[Any]], values: Mapping[str, Any] | None = None) -> None:
    """Keep the `weights` of `step`, and `values` beside them; the step is always among these.

    If there are then more than `LIMIT` files, drop another. Raises `OSError`.
    """
    (run / DIRECTORY).mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
    checkpoint.write(_path(run, step), weights, {"step": step, **(values or {})})
    kept = steps(run)
    while len(kept) > LIMIT:
        # The first and the last stay. Of the others, drop the one whose neighbours are closest in log(step + 1).
        crowded = min(range(1, len(kept) - 1), key=lambda i: math.log((kept[i + 1] + 1) / (kept[i - 1] + 1)))
        _path(run, kept.pop(crowded)).unlink(missing_ok=True)


def steps(run: Path) -> list[int]:
    """The steps whose weights are kept, in rising order."""
    return sorted(int(path.stem) for path in (run / DIRECTORY).glob("*.safetensors") if path.stem.isdecimal())


def file_of(run: Path, step: int) -> Path:
    """The file with the weights kept at `step`. Raises `UserError` if none are kept of that step."""
    kept = steps(run)
    if step not in kept:
        known = ", ".join(map(str, kept)) or "none"
        raise UserError(f"{run}: no weights are kept of step {step}; those kept are {known}")
    return _path(run, step)


def forget_after(run: Path, step: int) -> None:
    """Drop the weights of all steps after `step`. Raises `OSError`."""
    for later in steps(run):
        if later > step:
            _path(run, later).unlink(missing_ok=True)


def _path(run: Path, step: int) -> Path:
    return run / DIRECTORY / f"{step}.safetensors"
