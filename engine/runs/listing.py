"""Lists the runs on disk with their states, and finds a run by its name."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import math
import os
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from engine.config import Config
from engine.errors import UserError
from engine.runs.reader import RunReader
from engine.runs.record import CONFIG, NewerRunError, NotARunError
from engine.runs.status import STATE, state_now
from engine.setting import settings_of

ROOT = Path("runs")

RunState = Literal[
    "waiting", "live", "paused", "stopping", "finished", "stopped", "crashed", "diverged", "failed", "damaged", "newer"
]
SETTLED = 2.0  # seconds: clocks of file systems are coarse, so files written just now may be written again unnoticed
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
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)  # of `Config`; empty if it cannot be opened
    val_loss: float | None = None  # of the last validation, nats per character
    reach: float | None = None  # characters
    gradient_norms: tuple[float, ...] = ()  # ‖G_0‖ … ‖G_T−1‖ of the weights kept last
    chars_per_second: float | None = None
    seconds: float | None = None  # of training
    runs: int | None = None  # of a sweep, how many it has; None for a run

    @property
    def gradient_ratio(self) -> float | None:
        """‖G_0‖ / ‖G_T−1‖ of the weights kept last; None if it is not known, or not finite."""
        if not self.gradient_norms or not self.gradient_norms[-1]:
            return None
        return _finite(self.gradient_norms[0] / self.gradient_norms[-1])

    @property
    def steps(self) -> int | None:
        """The last step it will make; None if it has no end, or cannot be opened."""
        found = self.settings.get("steps")
        return int(found) if found else None

    @property
    def progress(self) -> float | None:
        """The share of its steps that is made, 0 … 1; None if it has no end."""
        return min(self.step / self.steps, 1.0) if self.steps else None

    @property
    def seconds_left(self) -> float | None:
        """Seconds until its last step at its present speed; None if it does not train, or has no end."""
        if self.state != "live" or not self.steps or not self.chars_per_second:
            return None
        characters: int = self.settings["batch"] * self.settings["seq"]
        return max(self.steps - self.step, 0) * characters / self.chars_per_second


class RunList:
    """The runs in `root`, to be looked at again and again: a run whose files have not changed is not read again."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self._known: dict[str, tuple[_Stamp, RunSummary]] = {}  # by name

    def look(self) -> list[RunSummary]:
        """The runs as they are now, newest first, those that cannot be opened too.

        Directories that are not runs are skipped.
        """
        known: dict[str, tuple[_Stamp, RunSummary]] = {}
        with contextlib.suppress(OSError):
            for name in os.listdir(self.root):
                with contextlib.suppress(NotARunError):
                    known[name] = self._look_at(name)
        self._known = known
        now = time.time()
        found = [dataclasses.replace(run, age=run.age + now - stamp.time) for stamp, run in known.values()]
        return sorted(found, key=lambda run: (run.age, run.name))

    def _look_at(self, name: str) -> tuple[_Stamp, RunSummary]:
        """A run's summary, of when it was read, with what must not change for it to be known still."""
        now = time.time()
        path = self.root / name
        stamp = _stamp(path, now)
        before = self._known.get(name)
        if before is not None and stamp is not None and stamp.files == before[0].files:
            is_settled = before[1].pid is None and before[1].state != "crashed"  # others depend on a process
            if is_settled and before[0].time - stamp.newest > SETTLED:
                return before
        summary = _summary(path)
        return stamp or _Stamp(now, 0.0, ()), summary


class _Stamp(NamedTuple):
    """When a run was looked at, when its files were written last, and which files these are."""

    time: float
    newest: float
    files: tuple[int, ...]


def _stamp(path: Path, now: float) -> _Stamp | None:
    files: list[int] = []
    newest = 0.0
    try:
        for name in (CONFIG, STATE):
            status = os.lstat(os.path.join(path, name))
            files += [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
            newest = max(newest, status.st_ctime)
    except OSError:
        return None
    return _Stamp(now, newest, tuple(files))


def list_runs(root: Path = ROOT) -> list[RunSummary]:
    """The runs in `root`, newest first, those that cannot be opened too. Directories that are not runs are skipped."""
    return RunList(root).look()


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
    pid = run.pid  # before the status: a run that ends in between writes its last state first
    status, config = run.status, run.config
    state = state_now(status, pid)
    return RunSummary(
        name=run.path.name,
        path=run.path,
        state="live" if state in ("starting", "training") else cast(RunState, state),
        step=status.step,
        loss=_finite(status.loss),
        best=_finite(status.best_val_loss),
        cell=f"{config.cell} {config.layers}×{config.hidden}",
        text=run.record.text_name,
        age=max(0.0, time.time() - datetime.fromisoformat(run.record.created).timestamp()),
        pid=pid,
        updated=min(time.time(), status.updated),
        settings={name: getattr(config, name) for name in settings_of(Config)},
        val_loss=_finite(status.val_loss),
        reach=_finite(status.reach),
        gradient_norms=status.gradient_norms,
        chars_per_second=_finite(status.chars_per_second),
        seconds=_finite(status.time),
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
        if held := list_runs(path):
            example = path / min(run.name for run in held)
            raise UserError(f"{text}: holds runs, and is none itself; name one of them, as {example}")
    known = [run.name for run in list_runs(root)]
    if near := difflib.get_close_matches(text, known, n=3, cutoff=0.5):
        hint = f"did you mean {' or '.join(near)}?"
    else:
        hint = f"the newest in {root}/ are {', '.join(known[:3])}" if known else f"there are none in {root}/"
    raise UserError(f"{text}: there is no such run; {hint}")
