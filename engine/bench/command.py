"""The whole benchmark: chooses what to measure and the contenders, and prints the results."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from engine.bench import comparisons, more_cores, quality
from engine.bench.contender_process import ContenderFailedError
from engine.bench.contenders import RIVALS, rivals
from engine.bench.measurement import describe, load
from engine.bench.report import report
from engine.bench.results import Results
from engine.bench.workload import SEQ, SIZES, VOCABULARY_SIZE, of_text, workloads
from engine.errors import ConfigError, UserError
from engine.network.cells import cell_names
from engine.runs.files import write_where_told
from engine.training.cores import usable_cores

ALL = "all"
ROUNDS = 5
SECONDS = 1.0  # for each contender in a round
IN_A_TERMINAL = {"screen", "start", "keys"}
QUICK = ("training", *comparisons.PROBES, "growth", "cores", "screen", "start", "keys")  # what `all` means
QUALITY = "quality"  # trains for many minutes
WHAT = (*QUICK, QUALITY)
AGAINST_RIVALS = {"training", *comparisons.PROBES, QUALITY}
TEXT = "saltmere"
LEAST = {"threads": 1, "rounds": 1, "seq": 1, "vocabulary": 2}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure, of which networks, and for how long.

    The time to quality is the time until each of `losses` on the held-out part of `text`, at most `minutes`; without
    `sizes` it is measured for networks of its own. Without `threads`, all cores are used.

    Raises `ConfigError` for numbers with which nothing can be measured.
    """

    against: Sequence[str] = tuple(RIVALS)
    cells: Sequence[str] = cell_names()
    sizes: Sequence[str] | None = None
    what: Sequence[str] = WHAT[:1]
    seq: int = SEQ
    vocabulary: int = VOCABULARY_SIZE
    threads: int | None = None
    rounds: int = ROUNDS
    seconds: float = SECONDS
    text: str = TEXT
    losses: Sequence[float] = quality.LOSSES
    minutes: float = quality.MINUTES

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError({name: f"{value} is too small; at least {least}"})
        if not 0 < self.minutes < math.inf:
            raise ConfigError({"minutes": f"{self.minutes:g} is no time to train; choose more than 0"})


def run(plan: Plan, progress: Callable[[str], None] = lambda text: None) -> Results:
    """Measure; `progress` is called with each part.

    Raises `ConfigError` for a rival, cell, size or measure that there is not.
    """
    what = set(plan.what)
    for name in plan.what:
        if name not in WHAT:
            raise ConfigError({"what": f"{name!r} is none of {', '.join(WHAT)}"})
    shapes = workloads(plan.cells, plan.sizes or SIZES, plan.seq, plan.vocabulary)
    networks = of_text(shapes if plan.sizes else quality.NETWORKS, plan.text) if QUALITY in what else []
    asked = [rival for rival in rivals(plan.against) if AGAINST_RIVALS & what]
    results = Results(missing={rival.name: reason for rival in asked if (reason := rival.missing())})
    able = [rival for rival in asked if rival.name not in results.missing]
    threads = plan.threads or usable_cores()
    rounds, seconds = plan.rounds, plan.seconds
    results.machine.update(threads=threads, cores=usable_cores(), load=load())
    if "training" in what:
        comparisons.training(results, able, shapes, threads=threads, rounds=rounds, seconds=seconds, progress=progress)
    for probe in comparisons.PROBES:
        if probe in what:
            comparisons.probing(results, probe, able, rounds=rounds, seconds=seconds, progress=progress)
    if "growth" in what:
        comparisons.growth(results, rounds=rounds, seconds=seconds, progress=progress)
    if "cores" in what:
        more_cores.more_cores(results, seconds=seconds, progress=progress)
    if QUALITY in what:
        losses, minutes = plan.losses, plan.minutes
        quality.quality(results, able, networks, losses=losses, minutes=minutes, threads=threads, progress=progress)
    if IN_A_TERMINAL & what and not find_spec("pyte"):
        results.missing["the program in a terminal"] = "pyte, a terminal emulator, is not installed"
    elif IN_A_TERMINAL & what:
        from engine.bench import program  # here: a pseudo-terminal is not there on every system

        results.machine = describe() | results.machine
        if "screen" in what:
            program.cost_of_screen(results, rounds=rounds, seconds=seconds, progress=progress)
        if "start" in what:
            program.starting(results, rounds=rounds, progress=progress)
        if "keys" in what:
            program.pressing_keys(results, progress=progress)
    return results


def execute(
    options: Mapping[str, Any],
    json_file: str | None,
    progress: Callable[[str], None],
    show: Callable[[str], None],
) -> None:
    """Measure; write the numbers to `json_file`, and call `show` with each line of the tables.

    `options` are those of a `Plan` that were given on the command line: names and losses are separated by commas, and
    `what` may be `all`, which is all but the time to quality. `progress` is called with each part.
    Raises `ConfigError`, after the tables are shown if `json_file` cannot be written, and `UserError` if the program
    that is measured ends.
    """
    values: dict[str, Any] = {
        name: READERS[name](value) if name in READERS else value for name, value in options.items()
    }
    plan = Plan(**values)
    try:
        results = run(plan, progress)
    except ContenderFailedError as error:
        problem = f"this program ended while it was measured ({error})"
        raise UserError(f"{problem}; measure again, or something else") from None
    problem = _write(json_file, results) if json_file is not None else ""
    for line in report(results).splitlines():
        show(line)
    if problem:
        raise ConfigError({"json": f"{json_file} cannot be written ({problem}); name another file"})


def _write(file: str, results: Results) -> str:
    """Write the numbers. Returns why that failed, so that the tables of a long measurement are shown all the same."""
    try:
        write_where_told(file, json.dumps(results.to_json(), indent=1).encode() + b"\n")
    except OSError as error:
        return str(error.strerror)
    return ""


def _losses(text: str) -> list[float]:
    try:
        found = [float(name) for name in _names(text)]
    except ValueError:
        found = []
    if not found or not all(0 < loss < math.inf for loss in found):
        raise ConfigError({"losses": f"{text!r} is not a list of losses in nats per character, as 1.6,1.5"})
    return found


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _measures(text: str) -> Sequence[str]:
    return QUICK if text == ALL else _names(text)


READERS: dict[str, Callable[[str], Sequence[Any]]] = {
    "against": _names,
    "cells": _names,
    "sizes": _names,
    "what": _measures,
    "losses": _losses,
}
