"""How long a person waits: for the first frame, for the first training step on the screen, for `--help`."""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from time import perf_counter

from engine.bench.process import clean_environment
from engine.bench.program import PROGRAM, running, step_shown, wait
from engine.bench.results import Measure, Results, ratio

PATIENCE = 1.5  # seconds between two looks, which cost time themselves
REFERENCE = "import textual"


def measure(results: Results, *, rounds: int, progress: Callable[[str], None]) -> None:
    """Add the times, each compared with `python -c "import textual"`; A B A B, the first round is not counted."""
    progress("start")
    seconds: dict[str, list[float]] = {}
    for counted in range(-1, rounds):
        frame, step = dashboard()
        cold_frame, cold_step = dashboard(first_time=True)
        found = {
            REFERENCE: command([sys.executable, "-c", REFERENCE]),
            "first frame": frame,
            "first step on the screen": step,
            "first frame, first time on this machine": cold_frame,
            "first step, first time on this machine": cold_step,
            "--help": command([*PROGRAM, "--help"]),
        }
        if counted >= 0:
            for what, value in found.items():
                seconds.setdefault(what, []).append(value)
    reference = seconds.pop(REFERENCE)
    results.measures += [
        Measure(
            what,
            statistics.median(values),
            "s",
            f'python -c "{REFERENCE}"',
            statistics.median(reference),
            ratio(values, reference),
        )
        for what, values in seconds.items()
    ]


def command(arguments: Sequence[str]) -> float:
    """Seconds from a command's start to its end."""
    start = perf_counter()
    subprocess.run(arguments, env=clean_environment(os.environ), stdout=subprocess.DEVNULL, check=True)
    return perf_counter() - start


def dashboard(*, first_time: bool = False) -> tuple[float, float]:
    """Seconds from the command to the first frame, and to the first training step that stands on the screen."""
    with running(first_time=first_time) as (terminal, _):
        wait(terminal, lambda: step_shown(terminal.last_screen()) > 0, PATIENCE)
    frame = step = math.inf
    for when, screen in terminal.screens():
        if "charrnn-tui" in screen[0]:
            frame = min(frame, when)
        if step_shown(screen):
            step = min(step, when)
    return frame, step
