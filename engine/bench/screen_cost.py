"""What watching costs: training steps per second with the dashboard open, and without a screen."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from engine.bench.program import NARROW, WIDE, running, wait
from engine.bench.results import Measure, Results, ratio
from engine.bench.terminal import Terminal
from engine.json_lines import read_rows

WARM_UP = 4.0  # seconds: imports, the first validation and the first samples are over
WATCH = 5.0  # times the seconds of a contender's turn
POLL = 0.005  # seconds between two looks at the log of the run


def measure(results: Results, *, rounds: int, seconds: float, progress: Callable[[str], None]) -> None:
    """Add steps per second of the default model at two sizes of the screen, against headless; A B A B."""
    sizes = {"×".join(map(str, size)): size for size in (WIDE, NARROW)}
    headless: list[float] = []
    watched: dict[str, list[float]] = {name: [] for name in sizes}
    for turn in range(rounds):
        progress(f"the screen's cost: round {turn + 1} of {rounds}")
        headless.append(steps_per_second(WIDE, WATCH * seconds, "--headless"))
        for name, size in sizes.items():
            watched[name].append(steps_per_second(size, WATCH * seconds))
    results.measures += [
        Measure(
            f"training with the dashboard open at {name}",
            statistics.median(speeds),
            "steps/s",
            "headless",
            statistics.median(headless),
            ratio(speeds, headless),
        )
        for name, speeds in watched.items()
    ]


def steps_per_second(size: tuple[int, int], seconds: float, *options: str) -> float:
    """By the clock on the wall, from one line in the log of the run to another."""
    with running(*options, size=size) as (terminal, run):
        terminal.watch(WARM_UP)
        first_step, start = _next_report(terminal, run / "metrics.jsonl")
        terminal.watch(seconds)
        last_step, end = _next_report(terminal, run / "metrics.jsonl")
    return (last_step - first_step) / (end - start)


def _next_report(terminal: Terminal, log: Path) -> tuple[int, float]:
    """The step of the next line, and when it came."""
    size = log.stat().st_size if log.exists() else 0
    wait(terminal, lambda: log.exists() and log.stat().st_size > size, POLL)
    return int(read_rows(log)[-1]["step"]), perf_counter()
