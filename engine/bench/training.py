"""Training steps: every cell at every size against every rival."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from engine.bench.contenders import OURS, Contender
from engine.bench.duel import Times, duel
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
        entries = [(rival, its_own(rival, workload)) for rival in rivals]
        able = [(rival, its) for rival, its in entries if its is not None]
        times = duel(able, "training", workload, threads=threads, rounds=rounds, seconds=seconds, floor=True)
        results.machine.update(times.machine)
        results.missing.update(times.failed)
        results.disagreement = max(results.disagreement, times.disagreement)
        results.comparisons.append(compare(workload, able, times))


def its_own(rival: Contender, workload: Workload) -> Workload | None:
    """What a rival can do of a workload: the textbook has one plain layer and batch 1."""
    if rival.name != TEXTBOOK:
        return workload
    return dataclasses.replace(workload, batch=1) if (workload.cell, workload.layers) == ("rnn", 1) else None


def compare(workload: Workload, rivals: Sequence[tuple[Contender, Workload]], times: Times) -> Comparison:
    """One shape's rows and ratios. A rival with another batch is compared by the character."""
    ours = times.rounds[OURS.name]
    rows = [_row(OURS.name, workload, times, min(times.floor))]
    ratios = {}
    same_model = []
    for rival, its in rivals:
        if rival.name not in times.rounds:
            continue
        rows.append(_row(rival.name, its, times, min(times.floor) if its == workload else None))
        scale = workload.batch / its.batch
        ratios[rival.name] = ratio([milliseconds * scale for milliseconds in times.rounds[rival.name]], ours)
        if rival.same_model:
            same_model.append(rival.name)
    faster = min(same_model, key=times.median, default=None)
    return Comparison(workload, rows, ratios, faster, ratio(times.floor, ours))


def _row(name: str, workload: Workload, times: Times, floor: float | None) -> Row:
    rounds = times.rounds[name]
    return Row(
        name,
        **dataclasses.asdict(workload),
        ms_per_step=times.median(name),
        spread=spread(rounds),
        floor_ms=floor,
    )
