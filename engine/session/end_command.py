"""A command of the user's that the shell runs when a run ends, with the facts about the run in its environment.

The user who starts this process gives it, and no file does: the settings of a run, its record and its checkpoint have
no field for it, so that a run copied from somebody else cannot bring a command along.
"""

from __future__ import annotations

import contextlib
import math
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import IO

from engine.printable import printable, printable_lines
from engine.runs.files import append
from engine.runs.writer import LOG
from engine.session.session import Session

PREFIX = "CHARRNN_"
TAIL = 1 << 16  # bytes at the end of what the command prints, which go into the run's log
LONGEST = 1000  # characters of a fact; the system limits the environment of a process


def facts(session: Session) -> dict[str, str]:
    """What the command finds in its environment. Losses are in nats per character; what is not known is empty.

    Text is printable, so that a command may print it: a path with control characters in it is not that path any more.
    """
    values: dict[str, str | float | None] = {
        "RUN": os.path.abspath(session.directory),
        "STATE": session.state,
        "REASON": session.reason,
        "STEP": session.steps,
        "SECONDS": round(session.loop.progress.seconds, 1),  # of training
        "LOSS": session.loop.history.smoothed,
        "VAL_LOSS": session.val_loss,
        "BEST_VAL_LOSS": session.best_val_loss,
    }
    return {PREFIX + name: _plain(value) for name, value in values.items()}


def _plain(value: str | float | None) -> str:
    if isinstance(value, str):
        shown = printable(value)
        return shown if len(shown) <= LONGEST else shown[:LONGEST] + "…"
    return "" if value is None or not math.isfinite(value) else str(value)


class EndCommand:
    """Runs `command` at each end of a run, in a thread and in a session of its own, and says how it ended.

    `say` takes the sentence, in that thread. All that the command prints goes into the run's log.
    """

    def __init__(self, command: str, say: Callable[[str], None]) -> None:
        self.command, self.say = command, say
        self._running: list[threading.Thread] = []

    def __call__(self, session: Session) -> None:
        """Begin to run it for `session`, which has ended; returns at once."""
        arguments = session.directory, {**os.environ, **facts(session)}
        thread = threading.Thread(target=self._run, args=arguments, name="end command", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self.say(f"{_subject(session.directory)} cannot be started ({error})")
        else:
            self._running.append(thread)

    @property
    def is_running(self) -> bool:
        """Whether it has begun and not ended."""
        return any(thread.is_alive() for thread in self._running)

    def wait(self, seconds: float | None = None) -> None:
        """Wait, at most `seconds` for each run, until it has ended and how it ended is said."""
        for thread in self._running:
            thread.join(seconds)

    def _run(self, directory: Path, environment: dict[str, str]) -> None:
        subject = _subject(directory)
        try:
            with tempfile.TemporaryFile() as output:
                process = subprocess.Popen(
                    self.command,
                    shell=True,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,  # closing the terminal does not end it
                )
                code = process.wait()
                printed = _tail(output)
        except (OSError, ValueError) as error:
            self.say(f"{subject} cannot be started ({getattr(error, 'strerror', None) or error})")
            return
        sentence = f"{subject} exited with code {code}" if code >= 0 else f"{subject} was ended by signal {-code}"
        with contextlib.suppress(OSError):  # the directory may be gone, or the disk full
            lines = printable_lines(f"{datetime.now():%Y-%m-%d %H:%M:%S} {sentence}\n{printed}")
            append(directory / LOG, lines.encode())
        last = printed.rstrip().rpartition("\n")[2].strip()
        self.say(f"{sentence}: {_plain(last)}" if last else sentence)


def _subject(directory: Path) -> str:
    return f"{printable(directory.name)}: the command at its end"


def _tail(output: IO[bytes]) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - TAIL))
    text = output.read().decode(errors="replace")
    return text + "\n" if text and not text.endswith("\n") else text
