"""A duel: contenders, each in its own process, are timed in turn, round after round."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from engine.bench.contender_process import ContenderFailedError, ContenderProcess
from engine.bench.contenders import Contender
from engine.bench.results import Results
from engine.bench.workload import Workload

FLOOR_SHARE = 0.5  # of the seconds that a contender gets


@dataclass(frozen=True, slots=True)
class Entry:
    """One participant of a duel: a contender, its task and workload; `name` differs from that of every other entry."""

    name: str
    contender: Contender
    workload: Workload
    task: str = "training"


@dataclass(slots=True)
class Times:
    """What a duel found: milliseconds for each round by the name of the entry.

    `memory` has the bytes that each one took to get ready. `floor` was measured in the process of the first entry,
    after each of its rounds.
    """

    rounds: dict[str, list[float]]
    floor: list[float] = field(default_factory=list)
    memory: dict[str, int] = field(default_factory=dict)
    blas_threads: int = 1  # that the first one uses

    def median(self, name: str) -> float:
        """The median over the rounds of the entry `name`, milliseconds."""
        return statistics.median(self.rounds[name])


def duel(
    results: Results, entries: Sequence[Entry], *, threads: int, rounds: int, seconds: float, floor: bool = False
) -> Times:
    """Time the entries in turn, A B A B …, for `seconds` in each of `rounds`; with `floor` also the bare products.

    `results` gets what the entries say of the machine, those that failed, and how far their numbers differ from the
    first one's. Raises `ContenderFailedError` if the first entry fails.
    """
    with ExitStack() as stack:
        processes: dict[str, ContenderProcess] = {}
        times = Times({})
        for entry in entries:
            try:
                process = ContenderProcess(entry.contender, entry.task, entry.workload, threads)
            except ContenderFailedError as error:
                if not processes:
                    raise
                results.missing[entry.name] = str(error)
                continue
            stack.callback(process.close)
            processes[entry.name] = process
            results.machine = {**process.machine, **process.versions, **results.machine}
            first = processes[entries[0].name]
            if entry.contender.same_model and entry.workload == entries[0].workload and process is not first:
                results.disagreement = max(results.disagreement or 0.0, _difference(first.checks, process.checks))
        times.blas_threads = processes[entries[0].name].blas_threads
        times.rounds = {name: [] for name in processes}
        times.memory = {name: process.memory for name, process in processes.items()}
        for _ in range(rounds):
            for name, process in processes.items():
                times.rounds[name].append(process.milliseconds("task", seconds))
                if floor and name == entries[0].name:
                    times.floor.append(process.milliseconds("floor", seconds * FLOOR_SHARE))
    return times


def _difference(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return max(abs(a - b) / max(abs(a), abs(b), 1e-12) for a, b in zip(ours, theirs, strict=True))
