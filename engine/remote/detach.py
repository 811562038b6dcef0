"""Runs that outlive the terminal: each is a process without a controlling terminal."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import IO

from engine.errors import UserError
from engine.remote.connection import connect
from engine.runs.files import append, open_file
from engine.runs.writer import LOG

POLL_SECONDS = 0.05  # between two attempts to connect


def spawn_detached(command: list[str], directory: Path) -> int:
    """Start `command`, which has to serve the run in `directory`, as a process without a terminal. Its process id.

    Returns as soon as viewers can connect to the run, or the run is over. The process goes on when this terminal, or
    the connection it came through, is closed. Raises `UserError` with the last line of its output where it fails.
    """
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            _wait_for_socket(process, directory, output)
        except BaseException:
            process.terminate()
            process.wait()
            raise
    # The system keeps a process that has ended (a zombie) until its parent has waited for it.
    threading.Thread(target=process.wait, name="detached", daemon=True).start()
    return process.pid


def log_into(directory: Path) -> None:
    """Write all further output of this process, of its libraries too, into the log of the run in `directory`.

    The first line is there at once, so that the file has room for others even when the disk is full later. Raises
    `OSError` if the log cannot be written.
    """
    line = f"{datetime.now():%Y-%m-%d %H:%M:%S} process {os.getpid()} trains this run in the background\n"
    append(directory / LOG, line.encode())
    descriptor = open_file(directory / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


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
        code = process.returncode
        raise UserError(_last_line(output) or f"the run ended with exit code {code}; see {directory / LOG}")


def _last_line(output: IO[bytes]) -> str:
    output.seek(0)
    lines = output.read().decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
