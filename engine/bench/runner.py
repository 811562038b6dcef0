"""The whole benchmark: what to measure, against whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.bench import training
from engine.bench.contenders import RIVALS, rivals
from engine.bench.machine import available_cores
from engine.bench.results import Results
from engine.bench.workload import SIZES, workloads
from engine.config import CHOICES

ROUNDS = 5
SECONDS = 1.0  # for a contender in a round


def run(
    against: Sequence[str] = tuple(RIVALS),
    cells: Sequence[str] = CHOICES["cell"],
    sizes: Sequence[str] = SIZES,
    *,
    threads: int = 0,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
    progress: Callable[[str], None] = lambda text: None,
) -> Results:
    """Measure, and say through `progress` what is being measured; `threads` 0 means every core.

    Raises `UserError` for a rival, cell or size that there is not.
    """
    results = Results()
    able = []
    for rival in rivals(against):
        if reason := rival.missing():
            results.missing[rival.name] = reason
        else:
            able.append(rival)
    training.measure(
        results,
        able,
        workloads(cells, sizes),
        threads=threads or available_cores(),
        rounds=rounds,
        seconds=seconds,
        progress=progress,
    )
    return results
