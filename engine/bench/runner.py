"""The whole benchmark: what to measure, against whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.bench import growth, probes, training
from engine.bench.contenders import RIVALS, rivals
from engine.bench.results import Results
from engine.bench.workload import SIZES, workloads
from engine.config import CHOICES
from engine.errors import UserError
from engine.threads import usable_cores

ROUNDS = 5
SECONDS = 1.0  # for a contender in a round
WHAT = ("training", "sampling", "growth")


def run(
    against: Sequence[str] = tuple(RIVALS),
    cells: Sequence[str] = CHOICES["cell"],
    sizes: Sequence[str] = SIZES,
    what: Sequence[str] = ("training",),
    *,
    threads: int = 0,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
    progress: Callable[[str], None] = lambda text: None,
) -> Results:
    """Measure, and say through `progress` what is being measured; `threads` 0 means every core.

    Raises `UserError` for a rival, cell, size or measure that there is not.
    """
    for name in what:
        if name not in WHAT:
            raise UserError(f"--what: {name!r} is none of {', '.join(WHAT)}")
    asked, shapes = rivals(against), workloads(cells, sizes)
    results = Results(missing={rival.name: reason for rival in asked if (reason := rival.missing())})
    able = [rival for rival in asked if rival.name not in results.missing]
    threads = threads or usable_cores()
    results.machine.update(threads=threads, cores=usable_cores())
    if "training" in what:
        training.measure(results, able, shapes, threads=threads, rounds=rounds, seconds=seconds, progress=progress)
    for probe in probes.PROBES:
        if probe in what:
            probes.measure(results, probe, able, rounds=rounds, seconds=seconds, progress=progress)
    if "growth" in what:
        growth.measure(results, threads=threads, rounds=rounds, seconds=seconds, progress=progress)
    return results
