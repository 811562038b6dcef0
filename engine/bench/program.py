"""The program as a user starts it: in a terminal, with a run directory of its own."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.bench.contender_process import clean_environment
from engine.bench.terminal import WIDE, Screen, Terminal

PROGRAM = [sys.executable, "-P", "-m", "tui"]


class ProgramEndedError(Exception):
    """The program ended before it was measured; the text is the last line on its screen."""


@contextmanager
def running(*options: str, size: tuple[int, int] = WIDE, first_time: bool = False) -> Iterator[tuple[Terminal, Path]]:
    """`charrnn-tui train` in a terminal, and the directory of its run; both are gone afterwards.

    With `first_time` the program has an empty cache.
    """
    with tempfile.TemporaryDirectory(prefix="charrnn-bench-") as directory:
        run = Path(directory, "run")
        command = [*PROGRAM, "train", *options, "--run", str(run)]
        environment = clean_environment(os.environ) | ({"XDG_CACHE_HOME": directory} if first_time else {})
        with Terminal(command, *size, environment) as terminal:
            yield terminal, run


def wait(terminal: Terminal, until: Callable[[], bool], seconds: float) -> None:
    """Watch the terminal until `until()` is true, which is asked every `seconds`.

    Raises `ProgramEndedError` where the program ends before.
    """
    while not until():
        if not terminal.alive():
            terminal.watch(seconds)
            lines = [line.strip() for line in terminal.last_screen() if line.strip()]
            raise ProgramEndedError(lines[-1] if lines else "it wrote nothing")
        terminal.watch(seconds)


def step_shown(screen: Screen) -> int:
    """The number of training steps that stands on a screen, 0 where there is none."""
    match = re.search(r"\bstep ([\d,]+)", "\n".join(screen))
    return int(match[1].replace(",", "")) if match else 0
