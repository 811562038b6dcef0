"""A sweep's directory: `sweep.json` says what is tried and how far each run is; each run has a directory in it.

sweep.json    the settings, those in which the runs differ, and the state of each run
text.txt      the text, where it is not sure to be found again as it was
lock          locked by the process that conducts the sweep; holds its process id
log.txt       what its processes print: tracebacks
NAME/         an ordinary run directory for each run that has begun
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from engine.config import Config, from_mapping
from engine.errors import ConfigError, UserError
from engine.runs.directory import RunDirectory
from engine.runs.files import read_file
from engine.runs.record import texts_in
from engine.setting import Setting, settings_of
from engine.typed_json import Count, MalformedError, Measured, parse, read, shown

SWEEP = "sweep.json"
FORMAT_VERSION = 1
LARGEST = 1 << 25  # bytes of `sweep.json`
MOST_RUNS = 10_000
MOST_HALVINGS = 30
NAME = re.compile(r"[0-9]+(-[A-Za-z0-9.:_=+,-]*)?")  # of a run: nothing that could lead out of the sweep's directory

StudyState = Literal["waiting", "training", "finished", "stopped", "failed"]
ENDED: tuple[StudyState, ...] = ("finished", "stopped", "failed")  # the sweep trains such a run no further


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRun:
    """One run of a sweep. Losses are in nats per character.

    A run that waits may have made steps before: it goes on from its checkpoint.
    """

    name: str  # of its directory in the sweep's
    settings: dict[str, Any]  # those in which the runs differ
    state: StudyState = "waiting"
    reason: str = ""  # why it was stopped, or has failed
    steps: Count = 0
    seconds: float = 0.0  # of training
    val_loss: Measured | None = None  # the last one


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The numbers from `least` to `most` among which a search chooses, evenly or, with `log`, by their logarithms."""

    least: float
    most: float
    log: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What a sweep tries, and how far it is: the content of `sweep.json`."""

    path: Path  # the sweep's directory
    config: Config  # the settings of the first run; those in which the others differ are in each of them
    grid: dict[str, tuple[Any, ...]] = field(default_factory=dict)  # the values of each setting that differs
    ranges: dict[str, Range] = field(default_factory=dict)  # of the settings that a search chooses
    runs: tuple[StudyRun, ...] = ()
    trials: Count = 0  # runs that a search makes in all; 0: the runs are those of the grid
    halvings: Count = 0  # how many times the worse half of the runs that are left is stopped
    halved: Count = 0  # how many times that was done
    text_name: str = ""
    text_length: Count = 0  # characters, training and validation together
    fingerprint: str = ""  # of the text, see `Corpus`
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    program_version: str = ""

    @property
    def name(self) -> str:
        """The name of its directory."""
        return self.path.name

    @property
    def differing(self) -> tuple[str, ...]:
        """The names of the settings in which the runs differ, in the order of `Config`."""
        return tuple(name for name in settings_of(Config) if name in self.grid or name in self.ranges)

    @property
    def inherited(self) -> tuple[str, ...]:
        """Characters beyond those of the text: none, because the runs of a sweep begin with weights of their own."""
        return ()

    def config_of(self, run: StudyRun) -> Config:
        """The settings of `run`. Raises `ConfigError` for a study that was changed by hand."""
        return from_mapping(run.settings, self.config)

    def config_in(self, directory: Path) -> Config:
        """`config` with absolute paths of texts; a relative one is kept in the sweep's `directory`."""
        return texts_in(self.config, directory)

    def directory(self, run: StudyRun) -> Path:
        """Where `run` is kept, once it has begun."""
        return self.path / run.name

    def with_run(self, name: str, **changes: Any) -> Study:
        """A copy in which some fields of the run `name` are others."""
        runs = tuple(dataclasses.replace(run, **changes) if run.name == name else run for run in self.runs)
        return dataclasses.replace(self, runs=runs)


def write_study(study: Study, directory: RunDirectory) -> None:
    """Make `study` the content of `sweep.json` in its `directory`. Raises `OSError` if the disk refuses."""
    values = {"format_version": FORMAT_VERSION, **dataclasses.asdict(study), "config": study.config.to_json()}
    del values["path"]
    directory.write(SWEEP, json.dumps(values, indent=1).encode() + b"\n")


def is_sweep(directory: Path) -> bool:
    """Whether `directory` holds a sweep."""
    return os.path.lexists(directory / SWEEP)


def read_study(directory: Path) -> Study:
    """The sweep in `directory`. Raises `UserError` if there is none, or its `sweep.json` is damaged or too new."""
    path = directory / SWEEP
    try:
        values = parse(read_file(path, LARGEST))
        if isinstance(values, dict) and type(number := values.get("format_version")) is int and number > FORMAT_VERSION:
            raise UserError(f"{path}: was written by a newer charrnn-tui; update this one to open the sweep")
        config = from_mapping(read(_Settings, values).config)
        study = read(Study, values, path=Path(os.path.abspath(directory)), config=config)
        _check(study)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{directory}: is not a sweep (it has no {SWEEP}); choose a sweep's directory") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    except (ConfigError, MalformedError) as error:
        raise UserError(f"{path}: is damaged ({error}); restore it, or delete the sweep's directory") from None
    return study


@dataclass(frozen=True, slots=True)
class _Settings:
    format_version: Count
    config: dict[str, Any]


def _check(study: Study) -> None:
    """Raise `MalformedError` or `ConfigError` for what no sweep of this program can be."""
    if max(len(study.runs), study.trials) > MOST_RUNS:
        raise MalformedError(f"runs: {len(study.runs):,} are more than {MOST_RUNS:,}")
    if max(study.halvings, study.halved) > MOST_HALVINGS:
        raise MalformedError(f"halvings: {max(study.halvings, study.halved):,} are more than {MOST_HALVINGS}")
    known = settings_of(Config)
    if unknown := {*study.grid, *study.ranges} - {*known}:
        raise MalformedError(f"grid: {shown(min(unknown))} is no setting")
    for name, values in study.grid.items():
        if not values or not all(_is_value(known[name], value) for value in values):
            raise MalformedError(f"grid.{name}: {shown(list(values))} is no list of its values")
    for name, ends in study.ranges.items():
        if known[name].kind not in (int, float) or not all(_is_value(known[name], x) for x in (ends.least, ends.most)):
            raise MalformedError(f"ranges.{name}: {ends.least:g} … {ends.most:g} are no values of it")
        if not ends.least < ends.most or (ends.log and ends.least <= 0):
            raise MalformedError(f"ranges.{name}: {ends.least:g} … {ends.most:g} is no range")
    names = set[str]()
    for place, run in enumerate(study.runs):
        if not NAME.fullmatch(run.name) or run.name in names:
            raise MalformedError(f"runs[{place}].name: {shown(run.name)} is no name, or the name of two runs")
        names.add(run.name)
        if other := {*run.settings} - {*study.grid, *study.ranges}:
            raise MalformedError(f"runs[{place}].settings: {shown(min(other))} is none of those that differ")
        if study.config_of(run).steps is None:
            raise MalformedError(f"runs[{place}]: has no end, for there are no steps")
        if study.trials and (problem := _untried(study, run)):  # the search would learn from it
            raise MalformedError(f"runs[{place}].settings: {problem}")


def _is_value(setting: Setting, value: Any) -> bool:
    """Whether `value`, of a JSON file, is one that the setting may have, and as it is written: a number is no text."""
    try:
        converted = setting.convert(value)
        return bool(converted == value) and not setting.problem(converted)
    except ValueError:
        return False


def _untried(study: Study, run: StudyRun) -> str:
    """Why the search of `study` cannot have chosen the settings of `run`; empty where it can."""
    for name in study.differing:
        value = run.settings.get(name)
        if name in study.ranges:
            ends = study.ranges[name]
            if type(value) not in (int, float) or not ends.least <= value <= ends.most:  # type: ignore[operator]
                return f"{name}: {shown(value)} is not in its range"
        elif value not in study.grid[name]:
            return f"{name}: {shown(value)} is none of its values"
    return ""
