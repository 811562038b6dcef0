"""The whole benchmark: what to measure, against whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec

from engine.bench import growth, probes, training
from engine.bench.contenders import RIVALS, rivals
from engine.bench.machine import describe, load
from engine.bench.results import Results
from engine.bench.workload import SIZES, workloads
from engine.errors import UserError
from engine.network.cells import cell_names
from engine.training.cores import usable_cores

ROUNDS = 5
SECONDS = 1.0  # for a contender in a round
IN_A_TERMINAL = ("screen", "start", "keys")
WHAT = ("training", *probes.PROBES, "growth", *IN_A_TERMINAL)
AGAINST_RIVALS = {"training", *probes.PROBES}


def run(
    against: Sequence[str] = tuple(RIVALS),
    cells: Sequence[str] = cell_names(),
    sizes: Sequence[str] = SIZES,
    what: Sequence[str] = WHAT[:1],
    *,
    threads: int | None = None,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
    progress: Callable[[str], None] = lambda text: None,
) -> Results:
    """Measure, and say through `progress` what is being measured; without `threads` it is every core.

    Raises `UserError` for a rival, cell, size or measure that there is not.
    """
    for name in what:
        if name not in WHAT:
            raise UserError(f"--what: {name!r} is none of {', '.join(WHAT)}")
    shapes = workloads(cells, sizes)
    asked = [rival for rival in rivals(against) if AGAINST_RIVALS & set(what)]
    results = Results(missing={rival.name: reason for rival in asked if (reason := rival.missing())})
    able = [rival for rival in asked if rival.name not in results.missing]
    threads = threads or usable_cores()
    results.machine.update(threads=threads, cores=usable_cores(), load=load())
    if "training" in what:
        training.measure(results, able, shapes, threads=threads, rounds=rounds, seconds=seconds, progress=progress)
    for probe in probes.PROBES:
        if probe in what:
            probes.measure(results, probe, able, rounds=rounds, seconds=seconds, progress=progress)
    if "growth" in what:
        growth.measure(results, threads=threads, rounds=rounds, seconds=seconds, progress=progress)
    if any(name in IN_A_TERMINAL for name in what):
        _in_a_terminal(results, what, rounds=rounds, seconds=seconds, progress=progress)
    return results


def _in_a_terminal(
    results: Results, what: Sequence[str], *, rounds: int, seconds: float, progress: Callable[[str], None]
) -> None:
    if not find_spec("pyte"):
        results.missing["the program in a terminal"] = "pyte, a terminal emulator, is not installed"
        return
    from engine.bench import latency, screen_cost, startup  # a pseudo-terminal is not there on every system

    results.machine = describe() | results.machine
    if "screen" in what:
        screen_cost.measure(results, rounds=rounds, seconds=seconds, progress=progress)
    if "start" in what:
        startup.measure(results, rounds=rounds, progress=progress)
    if "keys" in what:
        latency.measure(results, progress=progress)
