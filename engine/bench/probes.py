"""What else a trained network is asked for: text, and what each prediction rests on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.bench.contenders import OURS, Contender
from engine.bench.duel import Entry, duel
from engine.bench.results import Measure, Results, ratio
from engine.bench.workload import Workload

CHARACTERS = 200
NETWORK = Workload("gru", 1, 128, 1, CHARACTERS)

# What is measured: our task, and PyTorch's ways to do the same.
PROBES = {
    "sampling": {"torch nn.GRU": "sampling", "torch gru_cell": "sampling_by_cell"},
    "connectivity": {"torch, one backward a position": "connectivity"},
}


def measure(
    results: Results,
    probe: str,
    rivals: Sequence[Contender],
    *,
    rounds: int,
    seconds: float,
    progress: Callable[[str], None],
) -> None:
    """Add the milliseconds for 200 characters. All have one thread: at batch 1 a second one only costs."""
    progress(f"{probe}: {NETWORK}")
    torch = [rival for rival in rivals if rival.name == "torch"]
    entries = [Entry(OURS.name, OURS, NETWORK, probe)]
    entries += [Entry(name, rival, NETWORK, task) for rival in torch for name, task in PROBES[probe].items()]
    times = duel(entries, threads=1, rounds=rounds, seconds=seconds)
    results.take(times)
    ours = times.rounds[OURS.name]
    what = f"{probe} of {CHARACTERS} characters, {NETWORK.cell} {NETWORK.layers}×{NETWORK.hidden}"
    alone = [Measure(what, times.median(OURS.name), "ms")]
    results.measures += [
        Measure(what, times.median(OURS.name), "ms", name, times.median(name), ratio(times.rounds[name], ours))
        for name in list(times.rounds)[1:]
    ] or alone
