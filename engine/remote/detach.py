"""Runs that outlive the terminal: a process of their own, in a session of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

import engine
from engine.errors import UserError
from engine.remote.connection import connect
from engine.runs.files import PRIVATE_FILE
from engine.runs.writer import LOG

POLL_SECONDS = 0.05


def spawn_detached(arguments: list[str], directory: Path) -> int:
    """Start `charrnn-tui` with `arguments`, which make it serve the run in `directory`; its process id.

    Returns as soon as the run can be attached to, or is over. The process has no terminal: closing this one, or the
    connection it came through, is nothing to it. Raises `UserError` with its last words where it fails.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, *_safe_path(), "-m", "tui", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            _wait_for_socket(process, directory, output)
        except BaseException:
            process.terminate()
            process.wait()
            raise
    # Somebody has to take note of its end, as long as this process lives: without that its id stays taken.
    threading.Thread(target=process.wait, name="detached", daemon=True).start()
    return process.pid


def log_into(directory: Path) -> None:
    """Have all further output of this process, of its libraries too, in the log of the run in `directory`."""
    descriptor = os.open(directory / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _safe_path() -> list[str]:
    """Keep the working directory out of the import path, unless the program itself lies there."""
    home = Path(engine.__file__).parent.parent
    return [] if home == Path.cwd() else ["-P"]


def _wait_for_socket(process: subprocess.Popen[bytes], directory: Path, output: IO[bytes]) -> None:
    """Return once the run answers, or is over already."""
    while process.poll() is None:
        try:
            connect(directory).close()
        except UserError:
            time.sleep(POLL_SECONDS)
        else:
            return
    if process.returncode != 0:
        words = _last_line(output) or f"the run ended with exit code {process.returncode}; see {directory / LOG}"
        raise UserError(words.removeprefix("charrnn-tui: "))


def _last_line(output: IO[bytes]) -> str:
    output.seek(0)
    lines = output.read().decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
