"""How the time of a training step grows with the window's length T and with the batch B."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from engine.bench.contenders import OURS
from engine.bench.duel import Entry, duel
from engine.bench.results import Measure, Results, ratio
from engine.bench.workload import Workload

BASE = Workload("gru", 1, 128, 32, 50)
FACTORS = (2, 4)


def measure(results: Results, *, threads: int, rounds: int, seconds: float, progress: Callable[[str], None]) -> None:
    """Add the times at twice and four times T and B; the ratio is to the time at the base."""
    progress(f"growth: {BASE}")
    larger = [dataclasses.replace(BASE, seq=BASE.seq * factor) for factor in FACTORS]
    larger += [dataclasses.replace(BASE, batch=BASE.batch * factor) for factor in FACTORS]
    entries = [Entry(str(workload), OURS, workload) for workload in (BASE, *larger)]
    times = duel(entries, threads=threads, rounds=rounds, seconds=seconds)
    results.take(times)
    for entry in entries[1:]:
        grown = ratio(times.rounds[entry.name], times.rounds[str(BASE)])
        what = f"training step, {entry.name}"
        results.measures.append(
            Measure(
                what,
                times.median(entry.name),
                "ms",
                f"batch {BASE.batch}, T {BASE.seq}",
                times.median(str(BASE)),
                grown,
            )
        )
