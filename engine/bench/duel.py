"""A duel: contenders, each in its own process, are timed in turn, round after round."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from engine.bench.contender_process import ContenderFailedError, ContenderProcess
from engine.bench.contenders import OURS, Contender
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

    `results` gets what the entries say of the machine, the rivals that failed, and how far their numbers differ from
    the first entry's, which is this program's. Raises `ContenderFailedError` if this program fails.
    """
    first = entries[0]
    with ExitStack() as stack:
        processes = start(entries, threads, results, stack)
        ours = processes[first.name]
        for entry in entries[1:]:
            if entry.name in processes and entry.contender.same_model and entry.workload == first.workload:
                difference = _difference(ours.checks, processes[entry.name].checks)
                results.disagreement = max(results.disagreement or 0.0, difference)
        times = Times({name: [] for name in processes}, blas_threads=ours.blas_threads)
        for _ in range(rounds):
            for entry in entries:
                if entry.name not in processes:
                    continue
                process = processes[entry.name]
                with rivals_may_fail(entry, processes, results):
                    times.rounds[entry.name].append(process.milliseconds("task", seconds))
                if floor and entry is first:
                    times.floor.append(process.milliseconds("floor", seconds * FLOOR_SHARE))
        times.rounds = {name: times.rounds[name] for name in processes}
        times.memory = {name: process.memory for name, process in processes.items()}
    return times


def start(entries: Sequence[Entry], threads: int, results: Results, stack: ExitStack) -> dict[str, ContenderProcess]:
    """Start a process for each entry, which `stack` ends; by the entries' names, without the rivals that failed.

    `results` gets what they say of the machine. Raises `ContenderFailedError` if this program fails.
    """
    processes: dict[str, ContenderProcess] = {}
    for entry in entries:
        with rivals_may_fail(entry, processes, results):
            process = ContenderProcess(entry.contender, entry.task, entry.workload, threads)
            stack.callback(process.close)
            processes[entry.name] = process
            results.machine = {**process.machine, **process.versions, **results.machine}
    return processes


@contextmanager
def rivals_may_fail(entry: Entry, processes: dict[str, ContenderProcess], results: Results) -> Iterator[None]:
    """A context for what the process of `entry` does: a rival that fails in it costs its own figures only.

    It is then `missing` in `results`, and no longer among the `processes`. An error of this program passes through.
    """
    try:
        yield
    except ContenderFailedError as error:
        if entry.contender is OURS:
            raise
        results.missing[entry.name] = str(error)
        processes.pop(entry.name, None)


def _difference(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return max(abs(a - b) / max(abs(a), abs(b), 1e-12) for a, b in zip(ours, theirs, strict=True))
