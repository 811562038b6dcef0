"""Weights kept during training: at steps spread evenly on a logarithmic scale, and at marked steps.

moments/500.safetensors         may be dropped, to keep the steps spread and their number bounded
moments/500.marked.safetensors  stays as long as the run
"""

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
LIMIT, LEAST = 64, 24  # files at most that are not marked; of a large network, whose files take much space, fewer
SPACE = 64 << 20  # bytes of so many files, unless these are `LEAST`
MOST_MARKED = 100
SUFFIX, MARKED = ".safetensors", ".marked"
NAME = re.compile(rf"(0|[1-9][0-9]{{0,17}})({re.escape(MARKED)})?{re.escape(SUFFIX)}")


def keep(
    run: RunDirectory,
    step: int,
    weights: Mapping[str, NDArray[Any]],
    values: Mapping[str, Any] | None = None,
    *,
    marked: bool = False,
) -> None:
    """Keep the `weights` of `step`, and `values` beside them; the step is always among these.

    `marked` ones are never dropped. If there are then more than `room_for` others, drop one. Raises `OSError`.
    """
    with contextlib.suppress(FileExistsError):
        make_directory(DIRECTORY, dir_fd=run.descriptor)
    with _opened(run) as descriptor:
        before = _kept(os.listdir(descriptor)).get(step, "")
        name = f"{step}{MARKED if marked or MARKED in before else ''}{SUFFIX}"
        checkpoint.write(name, weights, {"step": step, **(values or {})}, dir_fd=descriptor)
        if before not in ("", name):
            _remove(before, descriptor)
        _thin(descriptor, room_for(sum(array.nbytes for array in weights.values())))


def _thin(descriptor: int, room: int) -> None:
    """Drop weights that are not marked until there are at most `room` of them."""
    kept = list(_kept(os.listdir(descriptor)).items())
    while sum(MARKED not in name for _, name in kept) > room:
        # The first and the last stay. Of the others, drop the one whose neighbours are closest in log(step + 1).
        inner = [i for i in range(1, len(kept) - 1) if MARKED not in kept[i][1]]
        crowded = min(inner, key=lambda i: math.log((kept[i + 1][0] + 1) / (kept[i - 1][0] + 1)))
        _remove(kept.pop(crowded)[1], descriptor)


def room_for(size: int) -> int:
    """How many weights of `size` bytes are kept, the marked ones not counted."""
    return min(LIMIT, max(LEAST, SPACE // max(size, 1)))


def steps(run: Path) -> list[int]:
    """The steps whose weights are kept, in rising order."""
    return list(_names(run))


def marked_steps(run: Path) -> list[int]:
    """Those of them that are marked."""
    return [step for step, name in _names(run).items() if MARKED in name]


def file_of(run: Path, step: int) -> Path:
    """The file with the weights kept at `step`. Raises `UserError` if none are kept of that step."""
    kept = _names(run)
    if step not in kept:
        known = ", ".join(map(str, kept)) or "none"
        raise UserError(f"{run}: no weights are kept of step {step}; those kept are {known}")
    return run / DIRECTORY / kept[step]


def forget_after(run: RunDirectory, step: int) -> None:
    """Drop the weights of all steps after `step`. Raises `OSError`."""
    if not run.has(DIRECTORY):
        return
    with _opened(run) as descriptor:
        remove_unfinished(descriptor)
        for later, name in _kept(os.listdir(descriptor)).items():
            if later > step:
                _remove(name, descriptor)


@contextlib.contextmanager
def _opened(run: RunDirectory) -> Iterator[int]:
    """A descriptor of the directory with the kept weights. Raises `OSError` if it is none, or a link."""
    descriptor = open_directory(DIRECTORY, dir_fd=run.descriptor)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _names(run: Path) -> dict[int, str]:
    """The file of each step, in rising order of the steps."""
    try:
        require_own(run / DIRECTORY, os.lstat(run / DIRECTORY), stat.S_IFDIR)
        return _kept(os.listdir(run / DIRECTORY))
    except OSError:  # there is none yet, or it is none of this run
        return {}


def _kept(names: Iterable[str]) -> dict[int, str]:
    """The files of weights among `names` by their steps, in rising order; of two of one step the marked one."""
    found = [(int(match[1]), match[2] is not None, name) for name in names if (match := NAME.fullmatch(name))]
    return {step: name for step, _, name in sorted(found)}


def _remove(name: str, descriptor: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=descriptor)
