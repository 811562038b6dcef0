"""Lists the runs on disk with their states, and finds a run by its name."""

from __future__ import annotations

import contextlib
import difflib
import math
import os
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, cast

from engine.errors import UserError
from engine.runs.reader import RunReader
from engine.runs.record import CONFIG, NewerRunError, NotARunError

ROOT = Path("runs")

RunState = Literal["live", "paused", "finished", "stopped", "crashed", "diverged", "failed", "damaged", "newer"]
UNREADABLE = ("damaged", "newer")  # states of a run that this program cannot open; `RunSummary.reason` says why


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run in a list."""

    name: str
    path: Path
    state: RunState
    step: int
    loss: float | None  # of the last report, nats per character
    best: float | None  # lowest validation loss, nats per character
    cell: str  # with layers × hidden units, as "gru 1×128"
    text: str
    age: float  # seconds since it was begun
    pid: int | None  # the process that writes the run; None if there is none
    updated: float = 0.0  # when the run wrote its state last, seconds since 1970
    reason: str = ""  # why the run cannot be opened: the name of a file in it, and what is wrong


def list_runs(root: Path = ROOT) -> list[RunSummary]:
    """The runs in `root`, newest first, those that cannot be opened too. Directories that are not runs are skipped."""
    found = []
    with contextlib.suppress(OSError):
        for path in root.iterdir():
            with contextlib.suppress(NotARunError):
                found.append(_summary(path))
    return sorted(found, key=lambda run: (run.age, run.name))


def _summary(path: Path) -> RunSummary:
    """The line of a list for the run in `path`. Raises `NotARunError`."""
    try:
        return summarize(RunReader(path))
    except NotARunError:
        raise
    except UserError as error:
        place = Path(os.path.abspath(path))
        begun = time.time()
        with contextlib.suppress(OSError):
            begun = os.lstat(path / CONFIG).st_mtime
        return RunSummary(
            name=path.name,
            path=place,
            state="newer" if isinstance(error, NewerRunError) else "damaged",
            step=0,
            loss=None,
            best=None,
            cell="",
            text="",
            age=max(0.0, time.time() - begun),
            pid=None,
            reason=str(error).removeprefix(f"{place}/"),
        )


def summarize(run: RunReader) -> RunSummary:
    """The line of a list for `run`. Raises `UserError` if its `state.json` is damaged."""
    state, status, config = run.state, run.status, run.config
    return RunSummary(
        name=run.path.name,
        path=run.path,
        state="live" if state in ("starting", "training") else cast(RunState, state),
        step=status.get("step", 0),
        loss=_finite(status.get("loss")),
        best=_finite(status.get("best_val_loss")),
        cell=f"{config.cell} {config.layers}×{config.hidden}",
        text=run.record.text_name,
        age=max(0.0, time.time() - datetime.fromisoformat(run.record.created).timestamp()),
        pid=run.pid,
        updated=min(time.time(), status.get("updated", 0.0)),
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def find_run(text: str, root: Path = ROOT) -> Path:
    """The directory of the run with this name in `root`, or at this path.

    Raises `UserError`, which names similar runs, if there is no such run.
    """
    for path in (root / text, Path(text)):
        if os.path.lexists(path / CONFIG):  # whatever it is: the one who reads it says what is wrong with it
            return path
    known = [run.name for run in list_runs(root)]
    if near := difflib.get_close_matches(text, known, n=3, cutoff=0.5):
        hint = f"did you mean {' or '.join(near)}?"
    else:
        hint = f"the newest in {root}/ are {', '.join(known[:3])}" if known else f"there are none in {root}/"
    raise UserError(f"{text}: there is no such run; {hint}")
