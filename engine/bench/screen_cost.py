"""What the screen costs: training steps per second with the dashboard open and without a screen.

All programs that are compared are started, but all except one are stopped. They take turns of a few seconds, so that
a machine that is slower for a minute is slower for all of them.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

from engine.bench.program import running, wait
from engine.bench.results import Measure, Results, ratio
from engine.bench.terminal import NARROW, WIDE, Terminal
from engine.runs.logs import read_rows

WARM_UP = 12.0  # seconds, after which imports, the first validation and the more frequent first drawings are over
TURN = 2.0  # times the seconds of a contender's turn
AWAKE = 0.5  # seconds at the beginning of a turn that do not count, as the whole screen is painted
TURNS = 4  # in a round
POLL = 0.005  # seconds between two looks at the log of the run
HEADLESS = "headless"


def measure(results: Results, *, rounds: int, seconds: float, progress: Callable[[str], None]) -> None:
    """Add steps per second of the default model with screens of two sizes, compared with no screen; A B A B."""
    sizes = {"×".join(map(str, size)): size for size in (WIDE, NARROW)}
    speeds: dict[str, list[float]] = {name: [] for name in (HEADLESS, *sizes)}
    with ExitStack() as stack:
        programs: dict[str, tuple[Terminal, Path]] = {}
        for name in speeds:
            options = ["--headless"] if name == HEADLESS else []
            programs[name] = stack.enter_context(running(*options, size=sizes.get(name, WIDE)))
            programs[name][0].watch(WARM_UP)
            programs[name][0].hold()
        for turn in range(rounds):
            progress(f"the screen's cost: round {turn + 1} of {rounds}")
            turns: dict[str, list[float]] = {name: [] for name in programs}
            for _ in range(TURNS):
                for name, (terminal, run) in programs.items():
                    terminal.hold(False)
                    terminal.watch(AWAKE)
                    turns[name].append(steps_per_second(terminal, run, TURN * seconds))
                    terminal.hold()
            for name, each in turns.items():
                speeds[name].append(statistics.fmean(each))
    results.measures += [
        Measure(
            f"training with the dashboard open at {name}",
            statistics.median(speeds[name]),
            "steps/s",
            HEADLESS,
            statistics.median(speeds[HEADLESS]),
            ratio(speeds[name], speeds[HEADLESS]),
        )
        for name in sizes
    ]


def steps_per_second(terminal: Terminal, run: Path, seconds: float) -> float:
    """Training steps per second of wall time, between two lines of the run's log that are `seconds` apart."""
    first_step, start = _next_report(terminal, run / "metrics.jsonl")
    terminal.watch(seconds)
    last_step, end = _next_report(terminal, run / "metrics.jsonl")
    return (last_step - first_step) / (end - start)


def _next_report(terminal: Terminal, log: Path) -> tuple[int, float]:
    """The step of the next line of `log`, and when it came, in seconds."""
    size = log.stat().st_size if log.exists() else 0
    wait(terminal, lambda: log.exists() and log.stat().st_size > size, POLL)
    return int(read_rows(log)[-1]["step"]), perf_counter()
