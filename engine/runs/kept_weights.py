"""Weights kept during training, at steps spread evenly on a logarithmic scale."""

from __future__ import annotations

import contextlib
import math
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from engine.errors import UserError
from engine.runs import checkpoint
from engine.runs.directory import RunDirectory
from engine.runs.files import make_directory, open_directory, remove_unfinished, require_own

DIRECTORY = "moments"  # the name that the first version gave it
LIMIT = 24  # files at most, so that the disk space of a run stays bounded
SUFFIX = ".safetensors"


def keep(
    run: RunDirectory, step: int, weights: Mapping[str, NDArray[Any]], values: Mapping[str, Any] | None = None
) -> None:
    """Keep the `weights` of `step`, and `values` beside them; the step is always among these.

    If there are then more than `LIMIT` files, drop another. Raises `OSError`.
    """
    with contextlib.suppress(FileExistsError):
        make_directory(DIRECTORY, dir_fd=run.descriptor)
    with _opened(run) as descriptor:
        checkpoint.write(_name(step), weights, {"step": step, **(values or {})}, dir_fd=descriptor)
        kept = _steps(os.listdir(descriptor))
        while len(kept) > LIMIT:
            # The first and the last stay. Of the others, drop the one whose neighbours are closest in log(step + 1).
            crowded = min(range(1, len(kept) - 1), key=lambda i: math.log((kept[i + 1] + 1) / (kept[i - 1] + 1)))
            _remove(kept.pop(crowded), descriptor)


def steps(run: Path) -> list[int]:
    """The steps whose weights are kept, in rising order."""
    try:
        require_own(run / DIRECTORY, os.lstat(run / DIRECTORY), stat.S_IFDIR)
        return _steps(os.listdir(run / DIRECTORY))
    except OSError:  # there is none yet, or it is none of this run
        return []


def file_of(run: Path, step: int) -> Path:
    """The file with the weights kept at `step`. Raises `UserError` if none are kept of that step."""
    kept = steps(run)
    if step not in kept:
        known = ", ".join(map(str, kept)) or "none"
        raise UserError(f"{run}: no weights are kept of step {step}; those kept are {known}")
    return run / DIRECTORY / _name(step)


def forget_after(run: RunDirectory, step: int) -> None:
    """Drop the weights of all steps after `step`. Raises `OSError`."""
    if not run.has(DIRECTORY):
        return
    with _opened(run) as descriptor:
        remove_unfinished(descriptor)
        for later in _steps(os.listdir(descriptor)):
            if later > step:
                _remove(later, descriptor)


@contextlib.contextmanager
def _opened(run: RunDirectory) -> Iterator[int]:
    """A descriptor of the directory with the kept weights. Raises `OSError` if it is none, or a link."""
    descriptor = open_directory(DIRECTORY, dir_fd=run.descriptor)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _steps(names: Iterable[str]) -> list[int]:
    stems = (name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))
    return sorted(int(stem) for stem in stems if re.fullmatch(r"0|[1-9][0-9]{0,17}", stem))


def _name(step: int) -> str:
    return f"{step}{SUFFIX}"


def _remove(step: int, descriptor: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_name(step), dir_fd=descriptor)
