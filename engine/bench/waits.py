"""How long a person waits: for the first frame, the first training step, `--help`; and for a key to take effect."""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np

from engine.bench.contender_process import clean_environment
from engine.bench.program import PROGRAM, running, step_shown, wait
from engine.bench.results import Measure, Results, ratio
from engine.bench.terminal import Screen, delays

POLL = 1.5  # seconds between two readings of the screen, which take time themselves
REFERENCE = "import textual"
NETWORK = ("--cell", "lstm", "--layers", "2", "--hidden", "512")
LETTERS = "qzxjkvwq"  # typed one after the other: no text has them
UNCLEAR = 2  # letters at the beginning, which may be on the screen already
KEYS = 200  # that are pressed


def starting(results: Results, *, rounds: int, progress: Callable[[str], None]) -> None:
    """Add the times from the start, each compared with `python -c "import textual"`; the first round does not count."""
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
    """Seconds from the start of a command to its end."""
    start = perf_counter()
    subprocess.run(arguments, env=clean_environment(os.environ), stdout=subprocess.DEVNULL, check=True)
    return perf_counter() - start


def dashboard(*, first_time: bool = False) -> tuple[float, float]:
    """Seconds from the start of the program to the first frame, and to the first training step on the screen."""
    with running(first_time=first_time) as (terminal, _):
        wait(terminal, lambda: step_shown(terminal.last_screen()) > 0, POLL)
    frame = step = math.inf
    for when, screen in terminal.screens():
        if "charrnn-tui" in screen[0]:
            frame = min(frame, when)
        if step_shown(screen):
            step = min(step, when)
    return frame, step


def pressing_keys(results: Results, *, progress: Callable[[str], None]) -> None:
    """Add the 95th and 99th percentile of the delay of letters typed into the prompt."""
    progress("key presses")
    seconds = typing()
    what = f"key press to changed screen, lstm 2×512 training, {len(seconds)} keys"
    results.measures += [
        Measure(f"{what}, p{percentile}", 1e3 * float(np.percentile(seconds, percentile)), "ms")
        for percentile in (50, 95, 99)
    ]


def typing(keys: int = KEYS, options: tuple[str, ...] = NETWORK) -> list[float]:
    """Seconds from each key press to the screen that shows its letter; the pauses between them are irregular."""
    rng = np.random.default_rng(0)
    presses: list[tuple[float, Callable[[Screen], bool]]] = []
    with running(*options) as (terminal, _):
        wait(terminal, lambda: step_shown(terminal.last_screen()) > 0, 1.0)
        terminal.press("p")
        terminal.watch(1.0)
        while len(presses) < keys:
            for length in range(1, len(LETTERS) + 1):
                typed = LETTERS[:length]
                when = terminal.press(typed[-1])
                if length > UNCLEAR:
                    presses.append((when, _shows(typed)))
                terminal.watch(rng.uniform(0.1, 0.3))
            terminal.press("\x15")  # ctrl+u empties the prompt
            terminal.watch(0.3)
        terminal.watch(1.0)
    return delays(terminal, presses)


def _shows(text: str) -> Callable[[Screen], bool]:
    return lambda screen: any(text in line for line in screen)
