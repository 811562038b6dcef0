"""What the screen of a sweep shows: its runs as rows, their curves, and these by groups of runs with the same setting.

All of it is read from disk, so that it is the same for the process that conducts the sweep and for any other.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.arrays import Array
from engine.errors import UserError
from engine.runs.files import stamp
from engine.runs.listing import RunList, RunSummary
from engine.runs.reader import RunReader
from engine.runs.status import STATE
from engine.runs.table import setting_of
from engine.runs.writer import METRICS
from engine.sweep.study import SWEEP, Study, StudyRun, read_study

SLICE = 0.25  # seconds that a look may spend on curves: those of hundreds of runs come little by little
POINTS = 120  # of a band


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """What was measured of one run. Losses in nats per character, reach in characters."""

    steps: Array  # (N,)
    loss: Array  # (N,) smoothed
    val_steps: Array
    val_loss: Array
    reach_steps: Array
    reach: Array
    norms: Array  # (T,): ‖G_t‖ of the weights kept last; empty if there is none


@dataclass(frozen=True, slots=True, eq=False)
class Board:
    """A sweep as it is now: `rows` has all its runs, also those that wait; `curves` those that were read, by name."""

    study: Study
    rows: tuple[RunSummary, ...]
    curves: dict[str, Curves]
    is_whole: bool = True  # whether no curve is still to be read


def rows_of(study: Study) -> list[RunSummary]:
    """A row for each run of `study`, in their order, as its files are now."""
    return _rows(study, _by_name(RunList(study.path)))


def _by_name(runs: RunList) -> dict[str, RunSummary]:
    return {summary.name: summary for summary in runs.look()}


def _rows(study: Study, began: dict[str, RunSummary]) -> list[RunSummary]:
    return [_as_studied(began.get(run.name) or _waiting(study, run), run) for run in study.runs]


class BoardReader:
    """Reads the sweep in the directory `path` again and again; what has not changed is not read again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._list = RunList(path)
        self._curves: dict[str, Curves] = {}
        self._stamps: dict[str, tuple[int, ...]] = {}  # by the names of the runs, and of the sweep's own file
        self._study: Study | None = None

    def look(self, patience: float = SLICE) -> Board:
        """The sweep as it is now. Curves that are new are read for about `patience` seconds; the others come next time.

        Raises `UserError` if `sweep.json` is missing or damaged.
        """
        study = self._read_study()
        began = _by_name(self._list)
        rows = tuple(_rows(study, began))
        deadline = time.monotonic() + patience
        for row in sorted(rows, key=lambda row: row.name in self._curves):  # first those that have none yet
            if row.name in began and time.monotonic() < deadline:
                self._read(row)
        return Board(study, rows, dict(self._curves), is_whole=began.keys() <= self._stamps.keys())

    def _read_study(self) -> Study:
        """The study, read anew if its file has changed."""
        now = stamp(self.path / SWEEP)
        if self._study is None or now != self._stamps.get(SWEEP):
            self._study = read_study(self.path)
            self._stamps[SWEEP] = now
        return self._study

    def _read(self, row: RunSummary) -> None:
        now = stamp(row.path / METRICS, row.path / STATE)
        if now == self._stamps.get(row.name):
            return
        self._stamps[row.name] = now
        with contextlib.suppress(UserError):
            history = RunReader(row.path).history().history()
            self._curves[row.name] = Curves(
                steps=history.step.astype(np.float64),
                loss=history.smoothed,
                val_steps=history.val_step.astype(np.float64),
                val_loss=history.val_loss,
                reach_steps=history.reach_step.astype(np.float64),
                reach=history.reach,
                norms=np.array(row.gradient_norms),
            )


def _waiting(study: Study, run: StudyRun) -> RunSummary:
    """The row of a run that has not begun."""
    config = study.config_of(run)
    return RunSummary(
        name=run.name,
        path=study.directory(run),
        state="waiting",
        step=0,
        loss=None,
        best=None,
        cell=f"{config.cell} {config.layers}×{config.hidden}",
        text=study.text_name,
        age=0.0,
        pid=None,
        settings=config.to_json(),
    )


def _as_studied(row: RunSummary, run: StudyRun) -> RunSummary:
    """`row` with what the sweep knows better: a run between two turns waits, and one that a halving stopped is over."""
    if row.pid is None and run.state in ("waiting", "training") and row.state in ("crashed", "stopped", "finished"):
        return dataclasses.replace(row, state="waiting")
    if run.state == "stopped" and row.state == "finished":
        row = dataclasses.replace(row, state="stopped")
    if run.state == "failed" and row.state == "waiting":  # it never began
        row = dataclasses.replace(row, state="failed")
    return dataclasses.replace(row, reason=row.reason or run.reason)


# --- groups ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """Several curves as one: at each x the median of those that reach so far, the lowest and the highest."""

    x: Array
    median: Array
    low: Array
    high: Array


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The runs of a board that have one value of a setting, with what they have in common."""

    label: str  # the value of the setting; a run's own name if runs are not grouped
    runs: tuple[RunSummary, ...]
    loss: Band | None
    val_loss: Band | None
    reach: Band | None
    norms: Band | None  # ‖G_t‖ against t


def grouped(board: Board, runs: Sequence[RunSummary], by: str, names: Sequence[str]) -> list[Group]:
    """`runs` in groups by the setting `by`, in the order of their first runs; each by itself, under `names`, if empty.

    The bands are None where nothing was measured.
    """
    groups: dict[str, list[RunSummary]] = {}
    for run, name in zip(runs, names, strict=True):
        value = setting_of(run, by) if by else name
        label = value if isinstance(value, str) else "none" if value is None else f"{by} {value:g}"
        groups.setdefault(label, []).append(run)
    found = []
    for label, members in groups.items():
        curves = [board.curves[run.name] for run in members if run.name in board.curves]
        found.append(
            Group(
                label,
                tuple(members),
                band([(each.steps, each.loss) for each in curves]),
                band([(each.val_steps, each.val_loss) for each in curves]),
                band([(each.reach_steps, each.reach) for each in curves]),
                band([(np.arange(len(each.norms), dtype=np.float64), each.norms) for each in curves]),
            )
        )
    return found


def band(curves: Iterable[tuple[Array, Array]], points: int = POINTS) -> Band | None:
    """The band of `curves`, each x (N,) rising and y (N,), on at most `points` places; None if all are empty.

    Between its points a curve is straight; before its first and after its last point it has no say.
    """
    known = []
    for x, y in curves:
        finite = np.isfinite(y)
        if finite.any():
            known.append((x[finite], y[finite]))
    if not known:
        return None
    if len(known) == 1:
        x, y = known[0]
        return Band(x, y, y, y)
    places = np.unique(np.concatenate([x for x, _ in known]))
    if len(places) > points:
        places = np.linspace(places[0], places[-1], points)
    values = np.array([np.interp(places, x, y, left=np.nan, right=np.nan) for x, y in known])
    some = np.isfinite(values).any(axis=0)  # a gap may lie between two curves
    places, values = places[some], values[:, some]
    return Band(places, np.nanmedian(values, axis=0), np.nanmin(values, axis=0), np.nanmax(values, axis=0))
