"""One workload, all its contenders: each in its own process, asked in turn, round after round."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from engine.bench.contenders import OURS, Contender
from engine.bench.process import ContenderFailedError, Worker
from engine.bench.workload import Workload

FLOOR_SHARE = 0.5  # of the seconds that a contender gets


@dataclass(slots=True)
class Times:
    """Milliseconds of each round, by contender; `floor` was measured in our own process, right after us."""

    rounds: dict[str, list[float]]
    floor: list[float]
    machine: dict[str, Any]
    failed: dict[str, str] = field(default_factory=dict)
    disagreement: float = 0.0  # largest relative difference of a rival's checks from ours

    def median(self, name: str) -> float:
        """The middle round of a contender."""
        return statistics.median(self.rounds[name])


def duel(
    rivals: Sequence[tuple[Contender, Workload]],
    task: str,
    workload: Workload,
    *,
    threads: int,
    rounds: int,
    seconds: float,
    floor: bool = False,
) -> Times:
    """Measure ours and every rival A B A B …; each rival brings the workload it can do."""
    with ExitStack() as stack:
        ours = stack.enter_context(Worker(OURS, task, workload, threads))
        workers = {OURS.name: ours}
        times = Times({}, [], dict(ours.machine))
        for rival, its_workload in rivals:
            try:
                worker = stack.enter_context(Worker(rival, task, its_workload, threads))
            except ContenderFailedError as error:
                times.failed[rival.name] = str(error)
                continue
            workers[rival.name] = worker
            times.machine.update(worker.versions)
            if rival.same_model:
                times.disagreement = max(times.disagreement, _difference(ours.checks, worker.checks))
        times.rounds = {name: [] for name in workers}
        for _ in range(rounds):
            for name, worker in workers.items():
                times.rounds[name].append(worker.milliseconds("task", seconds))
                if floor and worker is ours:
                    times.floor.append(worker.milliseconds("floor", seconds * FLOOR_SHARE))
    return times


def _difference(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return max(abs(a - b) / max(abs(a), abs(b), 1e-12) for a, b in zip(ours, theirs, strict=True))
