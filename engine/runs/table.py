"""Runs as a table: the columns, the order by one of them, and the expression that says which runs are shown."""

from __future__ import annotations

import math
import operator
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from engine.config import Config
from engine.errors import UserError
from engine.runs.listing import RunSummary
from engine.setting import settings_of

Value = float | str | None  # None: not known, or not measured


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, what it says in one line, and how to get its value of a run."""

    name: str
    help: str
    of: Callable[[RunSummary], Value]


MEASURED = (
    Column("name", "the name of its directory", lambda run: run.name),
    Column(
        "state", "live, paused, finished, stopped, crashed, diverged, failed, damaged or newer", lambda run: run.state
    ),
    Column("step", "training steps made", lambda run: run.step if run.settings or run.runs else None),
    Column("steps", "the last step it will make; none if it has no end", lambda run: run.steps),
    Column("progress", "step / steps", lambda run: run.progress),
    Column("loss", "training loss of the last report, nats per character", lambda run: run.loss),
    Column("val", "validation loss measured last", lambda run: run.val_loss),
    Column("best", "lowest validation loss", lambda run: run.best),
    Column("reach", "how far back predictions reach, in characters", lambda run: run.reach),
    Column(
        "ratio", "‖G_0‖ / ‖G_T−1‖, how much of the gradient is left at the oldest step", lambda run: run.gradient_ratio
    ),
    Column("speed", "characters per second", lambda run: run.chars_per_second),
    Column("seconds", "of training", lambda run: run.seconds),
    Column("left", "seconds until its last step, at its present speed", lambda run: run.seconds_left),
    Column("age", "seconds since it began", lambda run: run.age),
    Column("runs", "of a sweep, how many it has", lambda run: run.runs),
)


def setting_of(run: RunSummary, name: str) -> Value:
    """The value of the setting `name` of a run; None for none, and for a run that cannot be opened."""
    if name == "text" and run.settings:
        return run.text  # its name, not the paths of its files
    found = run.settings.get(name)
    return found if found is None or isinstance(found, (int, float)) else str(found)


def columns() -> dict[str, Column]:
    """The columns by name: what was measured, and every setting, if need be under a longer name."""
    found = {column.name: column for column in MEASURED}
    for name, setting in settings_of(Config).items():
        column = f"{name}_setting" if name in found else name
        found[column] = Column(column, setting.help, partial(setting_of, name=name))
    return found


COLUMNS = columns()
ALIASES = {"val_loss": "val", "best_val_loss": "best", "run": "name", "chars_per_second": "speed"}


def column_named(name: str) -> Column:
    """The column with this name, in which `-` may stand for `_`. Raises `UserError` if there is none."""
    found = name.lower().replace("-", "_")
    found = ALIASES.get(found, found)
    if found not in COLUMNS:
        raise UserError(f"{name}: there is no such column; there are {', '.join(COLUMNS)}")
    return COLUMNS[found]


def values_of(run: RunSummary) -> dict[str, Any]:
    """All that the table knows of a run, by the columns' names, and its path and the reason if it cannot be opened."""
    return {name: column.of(run) for name, column in COLUMNS.items()} | {
        "path": str(run.path),
        "pid": run.pid,
        "reason": run.reason,
    }


# --- order -------------------------------------------------------------------------------------


def in_order(runs: Iterable[RunSummary], by: str) -> list[RunSummary]:
    """The runs in rising order of the column `by`, or in falling order after a `-`, as in `-best`.

    Runs for which the value is not known come last. Raises `UserError` if there is no such column.
    """
    column = column_named(by.removeprefix("-"))
    known: list[tuple[Value, RunSummary]] = []
    unknown: list[tuple[Value, RunSummary]] = []
    for run in runs:
        value = column.of(run)
        missing = value is None or (isinstance(value, float) and math.isnan(value))
        (unknown if missing else known).append((value, run))
    known.sort(key=lambda pair: _sortable(pair[0]), reverse=by.startswith("-"))
    return [run for _, run in (*known, *unknown)]


def _sortable(value: Value) -> tuple[float, str]:
    return (0.0, value.lower()) if isinstance(value, str) else (float(value or 0), "")


# --- filter ------------------------------------------------------------------------------------

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_CONDITION = re.compile(r"([A-Za-z][\w-]*)(<=|>=|!=|=|<|>)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which runs are shown: those for which every condition holds."""

    conditions: tuple[Callable[[RunSummary], bool], ...] = ()

    def holds(self, run: RunSummary) -> bool:
        """Whether `run` is shown."""
        return all(condition(run) for condition in self.conditions)


def parse_filter(text: str) -> Filter:
    """The filter that `text` describes: conditions with blanks between them, such as `cell=gru hidden>=128 val<1.6`.

    A condition is a column, one of = != < <= > >=, and a value without blanks; several values for = and != are
    separated by commas. A word alone is looked for in the run's name and in the name of its text. A comparison with a
    value that is not known does not hold. Raises `UserError` if a column does not exist, or a value is no number where
    one is needed.
    """
    return Filter(tuple(_condition(word) for word in text.split()))


def _condition(word: str) -> Callable[[RunSummary], bool]:
    match = _CONDITION.fullmatch(word)
    if match is None:
        if any(sign in word for sign in "<>="):
            raise UserError(f"{word}: is no condition; write a column, a comparison and a value, as hidden>=128")
        return lambda run: word.lower() in run.name.lower() or word.lower() in run.text.lower()
    name, sign, wanted = match.groups()
    column, compare = column_named(name), COMPARISONS[sign]
    if not wanted:
        raise UserError(f"{word}: a value is missing after {sign}")
    if sign in ("=", "!="):
        values = wanted.split(",")
        return lambda run: any(_equals(column.of(run), value) for value in values) is (sign == "=")
    try:
        number = float(wanted)
    except ValueError:
        raise UserError(f"{word}: {wanted} is no number, and {sign} compares numbers") from None

    def holds(run: RunSummary) -> bool:
        value = column.of(run)
        return isinstance(value, (int, float)) and compare(value, number)

    return holds


def _equals(value: Value, wanted: str) -> bool:
    if isinstance(value, str):
        return value.lower() == wanted.lower()
    if value is None:
        return wanted.lower() in ("none", "-", "–")
    try:
        return math.isclose(value, float(wanted), rel_tol=1e-9)
    except ValueError:
        return False


# --- what differs ------------------------------------------------------------------------------

SAID_FIRST = ("cell", "layers", "hidden", "lr", "seed")
# What a run is called, or how it is computed, says nothing about what was tried.
NOT_SAID = ("threads", "workers", "moments")


def differing(runs: Sequence[RunSummary]) -> list[str]:
    """The names of the settings in which the runs differ, those first that say most."""
    names = [name for name in settings_of(Config) if name not in NOT_SAID]
    names.sort(key=lambda name: SAID_FIRST.index(name) if name in SAID_FIRST else len(SAID_FIRST))
    readable = [run for run in runs if run.settings]
    return [name for name in names if len({setting_of(run, name) for run in readable}) > 1]


def labels(runs: Sequence[RunSummary]) -> list[str]:
    """A short name for each run, made of what differs, as `gru 128`; the run's own name where nothing does."""
    names = differing(runs)
    found = [" ".join(_said(name, setting_of(run, name)) for name in names) or run.name for run in runs]
    times = Counter(found)
    return [label if times[label] == 1 else f"{label} {run.name}" for label, run in zip(found, runs, strict=True)]


def _said(name: str, value: Value) -> str:
    """A setting in a label: a word, a number that its place explains, or the setting's name before it."""
    if isinstance(value, str):
        return value
    number = "none" if value is None else f"{value:g}"
    return number if name == "hidden" else f"{name} {number}"
