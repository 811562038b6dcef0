"""Which runs a sweep has: settings with one value are shared, and every combination of the others is a run."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.config import Config, from_mapping, spelled_out
from engine.errors import ConfigError, UserError
from engine.setting import LONGEST, Setting, settings_of
from engine.sweep.study import MOST_RUNS, Range, StudyRun

SHARED = ("text", "encoding")  # a sweep has one text
LOGARITHMIC = 10.0  # a range whose ends differ by this factor is searched by logarithms
LONGEST_NAME = 60  # characters


@dataclass(frozen=True, slots=True)
class Grid:
    """The settings of the first run, the values of those that differ, and the ranges that a search chooses from."""

    first: Config
    values: dict[str, tuple[Any, ...]]
    ranges: dict[str, Range]


def read_grid(given: Mapping[str, Any], defaults: Config) -> Grid:
    """The grid of `given` settings, over the `defaults`.

    A value is one value, a list (as TOML has them), a text with a list (`64,128`) or a range (`1e-4..1e-2`). A text
    that the setting takes as it stands is one value, as the schedule `warmup:100,constant`. Raises `ConfigError`, which
    names every bad setting, for an empty list, a value that is there twice, and what `from_mapping` refuses.
    """
    known = settings_of(type(defaults))
    shared: dict[str, Any] = {}
    values: dict[str, tuple[Any, ...]] = {}
    ranges: dict[str, Range] = {}
    problems: dict[str, str] = {}
    for name, value in spelled_out(given).items():
        if name in SHARED or name not in known:
            shared[name] = value
            continue
        try:
            if found := _range(known[name], value):
                ranges[name] = found
            elif len(several := _values(known[name], value)) > 1:
                values[name] = several
            else:
                shared[name] = several[0]
        except ValueError as error:
            problems[name] = str(error)
    firsts = {name: several[0] for name, several in values.items()}
    firsts |= {name: found.least for name, found in ranges.items()}
    try:
        first = from_mapping({**shared, **firsts}, defaults)
    except ConfigError as error:
        raise ConfigError({**error.problems, **problems}) from None
    if problems:
        raise ConfigError(problems)
    in_order = {name: values[name] for name in known if name in values}
    return Grid(first, in_order, ranges)


def _values(setting: Setting, value: Any) -> tuple[Any, ...]:
    """The values that `value` lists, in the setting's type. Raises `ValueError`."""
    if isinstance(value, (list, tuple)):
        given = list(value)
    elif isinstance(value, str) and not (setting.optional and not value):
        given = list(_pieces(setting, value)) if value.strip() else []
    else:
        given = [value]
    if not given:
        raise ValueError("the list is empty; give at least one value")
    if len(given) > MOST_RUNS:
        raise ValueError(f"{len(given):,} values are too many; at most {MOST_RUNS:,} runs are one sweep")
    found = tuple(_checked(setting, each) for each in given)
    seen = set[Any]()
    for each in found:
        if each in seen:
            raise ValueError(f"{each} is there twice; leave one out")
        seen.add(each)
    return found


def _checked(setting: Setting, value: Any) -> Any:
    if value == "" and not setting.optional:
        raise ValueError("one of the values is empty; leave out the comma beside it, or give a value")
    converted = setting.convert(value)
    if problem := setting.problem(converted):
        raise ValueError(problem)
    return converted


def _pieces(setting: Setting, text: str) -> Iterator[str]:
    """The values between commas; as many pieces as the setting takes together are one value."""
    pieces = [piece.strip() for piece in text.split(",")]
    start = 0
    while start < len(pieces):
        count = _together(setting, pieces[start : start + LONGEST]) if setting.kind is str else 1
        yield ",".join(pieces[start : start + count])
        start += count


def _together(setting: Setting, pieces: Sequence[str]) -> int:
    """How many of the first `pieces`, at least 1, the setting takes together, with commas between them, as one text."""
    ends = list(itertools.accumulate(len(piece) + 1 for piece in pieces))
    longest = sum(end - 1 <= LONGEST for end in ends)
    return next((n for n in range(longest, 1, -1) if _is_value(setting, ",".join(pieces[:n]))), 1)


def _is_value(setting: Setting, text: str) -> bool:
    try:
        return not setting.problem(setting.convert(text))
    except ValueError:
        return False


def _range(setting: Setting, value: Any) -> Range | None:
    """The range that `value` is; None if it is none. Raises `ValueError` for one without numbers between its ends."""
    if not isinstance(value, str) or setting.kind not in (int, float) or ".." not in value:
        return None
    found = re.fullmatch(r"\s*(.+?)\.\.(.+?)\s*", value)
    if not found:
        raise ValueError(f"{reprlib.repr(value)} is no range; write LEAST..MOST, as 1e-4..1e-2")
    least, most = (_checked(setting, end) for end in found.groups())
    if not least < most:
        raise ValueError(f"{reprlib.repr(value)} has no numbers between its ends; write the smaller one first")
    return Range(least=least, most=most, log=least > 0 and most / least >= LOGARITHMIC)


def with_seeds(grid: Grid, seeds: int) -> Grid:
    """`grid` with as many `seeds`, counted up from the first run's. Raises `UserError` if it lists seeds already."""
    if seeds == 1:
        return grid
    if seeds > MOST_RUNS:
        raise UserError(f"{seeds:,} seeds are too many; at most {MOST_RUNS:,} runs are one sweep")
    if "seed" in grid.values:
        raise ConfigError({"seed": "is a list already; give the seeds, or how many of them, not both"})
    first = grid.first.seed
    return dataclasses.replace(grid, values={**grid.values, "seed": tuple(range(first, first + seeds))})


def combinations(grid: Grid) -> tuple[StudyRun, ...]:
    """A run for every combination of values. Raises `UserError` if there are too many."""
    count = math.prod(map(len, grid.values.values()))
    if count > MOST_RUNS:
        raise UserError(f"the lists make {count:,} runs; at most {MOST_RUNS:,} are one sweep, so shorten a list")
    return name_runs([dict(zip(grid.values, each, strict=True)) for each in itertools.product(*grid.values.values())])


def check(first: Config, run: StudyRun) -> None:
    """Raise `UserError` if the settings of `run` do not go together with each other, and with the rest of `first`."""
    try:
        from_mapping(run.settings, first)
    except ConfigError as error:
        named = ", ".join(f"{name} {value}" for name, value in run.settings.items())
        raise UserError(f"the run with {named}: {error}") from None


def name_runs(settings: Sequence[Mapping[str, Any]], first: int = 1, of: int | None = None) -> tuple[StudyRun, ...]:
    """Runs with these settings, numbered from `first`, with numbers as wide as that of the last one, `of`."""
    width = len(str(of or first + len(settings) - 1))
    return tuple(
        StudyRun(name=_name(f"{number:0{width}}", each), settings=dict(each))
        for number, each in enumerate(settings, start=first)
    )


def _name(number: str, settings: Mapping[str, Any]) -> str:
    """A directory's name, such as `03-gru-hidden64-seed2`."""
    words = [
        str(value) if isinstance(value, str) else f"{name}{value:.4g}" if isinstance(value, float) else f"{name}{value}"
        for name, value in settings.items()
    ]
    return re.sub(r"[^A-Za-z0-9.:_=+,-]", "_", "-".join([number, *words]))[:LONGEST_NAME]
