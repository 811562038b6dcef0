"""Training steps: every cell at every size against every rival."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from engine.bench.contenders import OURS, Contender
from engine.bench.duel import Entry, Times, duel
from engine.bench.results import Comparison, Results, Row, ratio, spread
from engine.bench.workload import Workload

TEXTBOOK = "min-char-rnn"


def measure(
    results: Results,
    rivals: Sequence[Contender],
    workloads: Sequence[Workload],
    *,
    threads: int,
    rounds: int,
    seconds: float,
    progress: Callable[[str], None],
) -> None:
    """Add a comparison for every workload."""
    for workload in workloads:
        progress(f"training: {workload}")
        entries = [Entry(OURS.name, OURS, workload)]
        for rival in rivals:
            its = its_own(rival, workload)
            if its is not None:
                entries.append(Entry(rival.name, rival, its))
        times = duel(entries, threads=threads, rounds=rounds, seconds=seconds, floor=True)
        results.take(times)
        results.comparisons.append(compare(entries, times))
    for rival in rivals:
        if not any(its_own(rival, workload) for workload in workloads):
            results.missing[rival.name] = "it does the plain RNN with one layer only, which is none of these"


def its_own(rival: Contender, workload: Workload) -> Workload | None:
    """What a rival can do of a workload: the textbook has one plain layer and batch 1."""
    if rival.name != TEXTBOOK:
        return workload
    return dataclasses.replace(workload, batch=1) if (workload.cell, workload.layers) == ("rnn", 1) else None


def compare(entries: Sequence[Entry], times: Times) -> Comparison:
    """One shape's rows and ratios, ours first. A rival with another batch is compared by the character."""
    workload = entries[0].workload
    ours = times.rounds[OURS.name]
    done = [entry for entry in entries if entry.name in times.rounds]
    ratios = {}
    for entry in done[1:]:
        scale = workload.batch / entry.workload.batch
        ratios[entry.name] = ratio([milliseconds * scale for milliseconds in times.rounds[entry.name]], ours)
    same_model = [entry.name for entry in done[1:] if entry.contender.same_model]
    faster = min(same_model, key=times.median, default=None)
    return Comparison(
        workload,
        [_row(entry, workload, times) for entry in done],
        ratios,
        faster,
        ratio(times.floor, ours),
        times.blas_threads,
    )


def _row(entry: Entry, workload: Workload, times: Times) -> Row:
    return Row(
        entry.name,
        **dataclasses.asdict(entry.workload),
        ms_per_step=times.median(entry.name),
        spread=spread(times.rounds[entry.name]),
        floor_ms=min(times.floor) if entry.workload == workload else None,
    )
