"""The program as a user starts it, in a terminal: how long a person waits for it, and what its screen costs."""

from __future__ import annotations

import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from time import perf_counter

import numpy as np

from engine.bench.contender_process import ContenderFailedError, clean_environment
from engine.bench.results import Measure, Results, compared
from engine.bench.terminal import NARROW, WIDE, Screen, Terminal, delays
from engine.runs.logs import read_rows

PROGRAM = [sys.executable, "-P", "-m", "tui"]


class ProgramEndedError(ContenderFailedError):
    """The program ended before it was measured; the text is the last line on its screen."""


@contextmanager
def started(*options: str, size: tuple[int, int] = WIDE, first_time: bool = False) -> Iterator[tuple[Terminal, Path]]:
    """`charrnn-tui train` in a terminal, and the directory of its run; both are gone afterwards.

    With `first_time` the program has an empty cache.
    """
    with tempfile.TemporaryDirectory(prefix="charrnn-bench-") as directory:
        run = Path(directory, "run")
        command = [*PROGRAM, "train", *options, "--run", str(run)]
        environment = clean_environment(os.environ) | ({"XDG_CACHE_HOME": directory} if first_time else {})
        with closing(Terminal(command, *size, environment)) as terminal:
            yield terminal, run


def watch_until(terminal: Terminal, condition: Callable[[], bool], seconds: float) -> None:
    """Watch the terminal until `condition()` is true, which is asked every `seconds`.

    Raises `ProgramEndedError` if the program ends before.
    """
    while not condition():
        if not terminal.alive():
            terminal.watch(seconds)
            lines = [line.strip() for line in terminal.last_screen() if line.strip()]
            raise ProgramEndedError(lines[-1] if lines else "it wrote nothing")
        terminal.watch(seconds)


def step_shown(screen: Screen) -> int:
    """The number of training steps that stands on a screen, 0 where there is none."""
    match = re.search(r"\bstep ([\d,]+)", "\n".join(screen))
    return int(match[1].replace(",", "")) if match else 0


# --- how long a person waits ---

SCREEN_POLL = 1.5  # seconds between two readings of the screen, which take time themselves
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
        frame, step = first_frame_and_step()
        cold_frame, cold_step = first_frame_and_step(first_time=True)
        found = {
            REFERENCE: seconds_of([sys.executable, "-c", REFERENCE]),
            "first frame": frame,
            "first step on the screen": step,
            "first frame, first time on this machine": cold_frame,
            "first step, first time on this machine": cold_step,
            "--help": seconds_of([*PROGRAM, "--help"]),
        }
        if counted >= 0:
            for what, value in found.items():
                seconds.setdefault(what, []).append(value)
    reference = seconds.pop(REFERENCE)
    for what, values in seconds.items():
        results.measures.append(compared(what, values, "s", f'python -c "{REFERENCE}"', reference))


def seconds_of(arguments: Sequence[str]) -> float:
    """Seconds from the start of a command to its end."""
    start = perf_counter()
    subprocess.run(arguments, env=clean_environment(os.environ), stdout=subprocess.DEVNULL, check=True)
    return perf_counter() - start


def first_frame_and_step(*, first_time: bool = False) -> tuple[float, float]:
    """Seconds from the start of the program to the first frame, and to the first training step on the screen."""
    with started(first_time=first_time) as (terminal, _):
        watch_until(terminal, lambda: step_shown(terminal.last_screen()) > 0, SCREEN_POLL)
    frame = step = math.inf
    for when, screen in terminal.screens():
        if "charrnn-tui" in screen[0]:
            frame = min(frame, when)
        if step_shown(screen):
            step = min(step, when)
    return frame, step


def pressing_keys(results: Results, *, progress: Callable[[str], None]) -> None:
    """Add the median, the 95th and the 99th percentile of the delay of letters typed into the prompt."""
    progress("key presses")
    seconds = key_delays()
    what = f"key press to changed screen, lstm 2×512 training, {len(seconds)} keys"
    results.measures += [
        Measure(f"{what}, p{percentile}", 1e3 * float(np.percentile(seconds, percentile)), "ms")
        for percentile in (50, 95, 99)
    ]


def key_delays() -> list[float]:
    """Seconds from each key press to the screen that shows its letter; the pauses between them are irregular."""
    rng = np.random.default_rng(0)
    presses: list[tuple[float, Callable[[Screen], bool]]] = []
    with started(*NETWORK) as (terminal, _):
        watch_until(terminal, lambda: step_shown(terminal.last_screen()) > 0, 1.0)
        terminal.press("p")
        terminal.watch(1.0)
        while len(presses) < KEYS:
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


# --- what the screen costs ---

WARM_UP = 12.0  # seconds, after which imports, the first validation and the more frequent first drawings are over
TURN = 2.0  # times the seconds of a contender's turn
AWAKE = 0.5  # seconds at the beginning of a turn that do not count, as the whole screen is painted
TURNS = 4  # in a round
LOG_POLL = 0.005  # seconds between two looks at the log of the run
HEADLESS = "headless"


def cost_of_screen(results: Results, *, rounds: int, seconds: float, progress: Callable[[str], None]) -> None:
    """Add steps per second of the default model with screens of two sizes, compared with no screen; A B A B.

    All programs are started, but only one runs while the others are stopped. They take turns of a few seconds, so that
    a machine that is slower for a minute is slower for all of them.
    """
    sizes = {"×".join(map(str, size)): size for size in (WIDE, NARROW)}
    speeds: dict[str, list[float]] = {name: [] for name in (HEADLESS, *sizes)}
    with ExitStack() as stack:
        programs: dict[str, tuple[Terminal, Path]] = {}
        for name in speeds:
            options = ["--headless"] if name == HEADLESS else []
            programs[name] = stack.enter_context(started(*options, size=sizes.get(name, WIDE)))
            programs[name][0].watch(WARM_UP)
            programs[name][0].hold()
        for turn in range(rounds):
            progress(f"the screen's cost: round {turn + 1} of {rounds}")
            turns: dict[str, list[float]] = {name: [] for name in programs}
            for _ in range(TURNS):
                for name, (terminal, run) in programs.items():
                    terminal.let_go()
                    terminal.watch(AWAKE)
                    turns[name].append(steps_per_second(terminal, run, TURN * seconds))
                    terminal.hold()
            for name, each in turns.items():
                speeds[name].append(statistics.fmean(each))
    for name in sizes:
        what = f"training with the dashboard open at {name}"
        results.measures.append(compared(what, speeds[name], "steps/s", HEADLESS, speeds[HEADLESS]))


def steps_per_second(terminal: Terminal, run: Path, seconds: float) -> float:
    """Training steps per second of wall time, between two lines of the run's log that are `seconds` apart."""
    first_step, start = _next_report(terminal, run / "metrics.jsonl")
    terminal.watch(seconds)
    last_step, end = _next_report(terminal, run / "metrics.jsonl")
    return (last_step - first_step) / (end - start)


def _next_report(terminal: Terminal, log: Path) -> tuple[int, float]:
    """The step of the next line of `log`, and when it came, in seconds."""
    size = log.stat().st_size if log.exists() else 0
    watch_until(terminal, lambda: log.exists() and log.stat().st_size > size, LOG_POLL)
    return int(read_rows(log)[-1]["step"]), perf_counter()
