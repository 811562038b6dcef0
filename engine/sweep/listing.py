"""Lists the runs in a directory and the sweeps beside them: a sweep is one line, its runs stand in its own table."""

from __future__ import annotations

import contextlib
import math
import os
import time
from datetime import datetime
from pathlib import Path

from engine.errors import UserError
from engine.runs.files import stamp
from engine.runs.listing import ROOT, RunList, RunState, RunSummary
from engine.runs.lock import holder
from engine.sweep.study import ENDED, SWEEP, Study, is_sweep, read_study


class SweepsAndRuns:
    """The runs and sweeps in `root`, to be looked at again and again: what has not changed is not read again."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self._runs = RunList(root)
        self._studies: dict[str, tuple[tuple[int, ...], Study]] = {}  # by name, with the stamp of the file

    def look(self) -> list[RunSummary]:
        """The runs and sweeps as they are now, newest first, those that cannot be opened too."""
        found = self._runs.look()
        with contextlib.suppress(OSError):
            found += [self._summary(name) for name in os.listdir(self.root) if is_sweep(self.root / name)]
        return sorted(found, key=lambda each: (each.age, each.name))

    def _summary(self, name: str) -> RunSummary:
        path = self.root / name
        try:
            now = stamp(path / SWEEP)
            if name not in self._studies or self._studies[name][0] != now:
                self._studies[name] = now, read_study(path)
            return summarize(self._studies[name][1])
        except UserError as error:
            return _unreadable(path, str(error).removeprefix(f"{path}/"))


def summarize(study: Study) -> RunSummary:
    """The line of a list for the sweep `study`: its state, the steps of all its runs, the lowest validation loss."""
    pid = holder(study.path)
    is_over = all(run.state in ENDED for run in study.runs) and len(study.runs) >= study.trials
    state: RunState = "live" if pid is not None else "finished" if is_over else "stopped"
    losses = [run.val_loss for run in study.runs if run.val_loss is not None and math.isfinite(run.val_loss)]
    count = max(study.trials, len(study.runs))
    return RunSummary(
        name=study.name,
        path=study.path,
        state=state,
        step=sum(run.steps for run in study.runs),
        loss=None,
        best=min(losses, default=None),
        cell=f"{count:,} run{'s' * (count != 1)}",
        text=study.text_name,
        age=_age(study.created),
        pid=pid,
        runs=count,
        seconds=sum(run.seconds for run in study.runs),
    )


def _age(created: str) -> float:
    try:
        return max(0.0, time.time() - datetime.fromisoformat(created).timestamp())
    except (ValueError, OverflowError):  # changed by hand
        return 0.0


def _unreadable(path: Path, reason: str) -> RunSummary:
    return RunSummary(
        name=path.name,
        path=Path(os.path.abspath(path)),
        state="damaged",
        step=0,
        loss=None,
        best=None,
        cell="",
        text="",
        age=0.0,
        pid=None,
        runs=0,
        reason=reason,
    )
