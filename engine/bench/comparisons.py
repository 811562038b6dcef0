"""The comparisons: training steps, generated text and connectivity of a trained network, growth."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from engine.bench.contenders import OURS, Contender
from engine.bench.duel import Entry, Times, duel
from engine.bench.floor import multiplications
from engine.bench.numpy_contender import settings
from engine.bench.results import Comparison, Measure, Results, Row, compared, ratio
from engine.bench.workload import Workload
from engine.training import memory

TEXTBOOK = "min-char-rnn"
CHARACTERS = 200  # that are generated or explained
NETWORK = Workload("gru", 1, 128, 1, CHARACTERS)

# By our task: PyTorch's ways to do the same, each with its name in the report and its task.
PROBES = {
    "sampling": {"torch nn.GRU": "sampling", "torch gru_cell": "sampling_by_cell"},
    "connectivity": {"torch, one backward a position": "connectivity"},
}
BASE = Workload("gru", 1, 256, 32, 50)
DOUBLED = {"B": "batch", "T": "seq", "H": "hidden", "L": "layers", "V": "vocabulary"}


def training(
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
        times = duel(results, entries, threads=threads, rounds=rounds, seconds=seconds, floor=True)
        results.comparisons.append(compare(entries, times))
    for rival in rivals:
        if not any(its_own(rival, workload) for workload in workloads):
            results.missing[rival.name] = "it does the plain RNN with one layer only, which is none of these"


def its_own(rival: Contender, workload: Workload) -> Workload | None:
    """The part of `workload` that a rival can do, None if none: the textbook has one plain layer and batch 1."""
    if rival.name != TEXTBOOK:
        return workload
    return dataclasses.replace(workload, batch=1) if (workload.cell, workload.layers) == ("rnn", 1) else None


def compare(entries: Sequence[Entry], times: Times) -> Comparison:
    """The rows and ratios of one workload, ours first. A rival with another batch is compared per character."""
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
        entry.workload,
        ms_per_step=times.median(entry.name),
        spread=max(times.rounds[entry.name]) - min(times.rounds[entry.name]),
        floor_ms=min(times.floor) if entry.workload == workload else None,
    )


def probing(
    results: Results,
    probe: str,
    rivals: Sequence[Contender],
    *,
    rounds: int,
    seconds: float,
    progress: Callable[[str], None],
) -> None:
    """Add the milliseconds for 200 characters, with one thread: at batch 1 a second one makes all of them slower."""
    progress(f"{probe}: {NETWORK}")
    torch = [rival for rival in rivals if rival.name == "torch"]
    entries = [Entry(OURS.name, OURS, NETWORK, probe)]
    entries += [Entry(name, rival, NETWORK, task) for rival in torch for name, task in PROBES[probe].items()]
    times = duel(results, entries, threads=1, rounds=rounds, seconds=seconds)
    ours = times.rounds[OURS.name]
    what = f"{probe} of {CHARACTERS} characters, {NETWORK.cell} {NETWORK.layers}×{NETWORK.hidden}"
    alone = [Measure(what, times.median(OURS.name), "ms")]
    results.measures += [
        Measure(what, times.median(OURS.name), "ms", name, times.median(name), ratio(times.rounds[name], ours))
        for name in list(times.rounds)[1:]
    ] or alone


def growth(results: Results, *, rounds: int, seconds: float, progress: Callable[[str], None]) -> None:
    """Add time and memory of a step with each of B, T, H, L and V doubled, compared with `BASE`, on one core.

    Beside each stands the factor that algebra gives: of the multiplications in all products, and of the numbers that
    have to be kept. Memory is what the process has taken to begin training.
    """
    progress(f"growth: {BASE}")
    larger = {letter: dataclasses.replace(BASE, **{name: 2 * getattr(BASE, name)}) for letter, name in DOUBLED.items()}
    entries = [Entry(letter, OURS, workload) for letter, workload in {"": BASE, **larger}.items()]
    times = duel(results, entries, threads=1, rounds=rounds, seconds=seconds)
    base, base_memory = times.rounds[""], [times.memory[""] / 1e6]
    for letter, workload in larger.items():
        factor, of_memory = algebra(workload)
        what = f"training step, {letter} doubled: {factor:.2f} times the multiplications"
        results.measures.append(compared(what, times.rounds[letter], "ms", str(BASE), base))
        what = f"memory, {letter} doubled: {of_memory:.2f} times the numbers"
        results.measures.append(compared(what, [times.memory[letter] / 1e6], "MB", str(BASE), base_memory))


def algebra(workload: Workload) -> tuple[float, float]:
    """By how much `workload` has more multiplications, and numbers to keep, than `BASE`."""
    more, numbers = multiplications(workload) / multiplications(BASE), needed(workload) / needed(BASE)
    return more, numbers


def needed(workload: Workload) -> int:
    """Bytes that one process has to keep; see `engine.training.memory`."""
    return memory.needed(settings(workload), workload.vocabulary)
