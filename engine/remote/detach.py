"""Runs that outlive the terminal: each is a process without a controlling terminal."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import IO

from engine.errors import UserError
from engine.remote.handshake import shake_hands
from engine.runs.files import append, open_file
from engine.runs.lock import holder
from engine.runs.writer import LOG
from engine.session.threads import begin_thread

POLL_SECONDS = 0.05  # between two attempts to connect


def spawn_detached(
    command: list[str],
    directory: Path,
    *,
    wanted: Callable[[], bool] = lambda: True,
    answers: Callable[[Path], bool] | None = None,
) -> int:
    """Start `command`, which has to serve the run in `directory`, as a process without a terminal. Its process id.

    Returns as soon as that process has the directory's lock and `answers`, by default as a run answers viewers, or what
    it has to do is over. The process goes on when this terminal, or the connection it came through, is closed. Raises
    `UserError` if no process can be started, with the last line of its output if it fails, or once it is not `wanted`
    any more; then no process is left.
    """
    with contextlib.ExitStack() as stack:
        try:
            output = stack.enter_context(tempfile.TemporaryFile())
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        except OSError as error:
            raise UserError(f"no process can be started ({error.strerror or error}); try again in a while") from None
        try:
            _wait_for_answer(process, directory, output, wanted, answers or _greets)
        except BaseException:
            process.terminate()
            process.wait()
            raise
    # The system keeps a process that has ended (a zombie) until its parent has waited for it, or has ended too.
    begin_thread("detached", process.wait)
    return process.pid


def log_into(directory: Path) -> None:
    """Write all further output of this process, of its libraries too, into the log in `directory`.

    The first line is there at once, so that the file has room for others even when the disk is full later. Raises
    `OSError` if the log cannot be written.
    """
    line = f"{datetime.now():%Y-%m-%d %H:%M:%S} process {os.getpid()} goes on in the background\n"
    append(directory / LOG, line.encode())
    descriptor = open_file(directory / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _wait_for_answer(
    process: subprocess.Popen[bytes],
    directory: Path,
    output: IO[bytes],
    wanted: Callable[[], bool],
    answers: Callable[[Path], bool],
) -> None:
    """Return once `process` has the lock of the directory and `answers`, or is over already."""
    while process.poll() is None:
        if not wanted():
            raise UserError("the run is not wanted in a process of its own any more")
        if holder(directory) == process.pid and answers(directory):  # another process may have it, and this one end
            return
        time.sleep(POLL_SECONDS)
    if process.returncode != 0:
        code = process.returncode
        raise UserError(_last_line(output) or f"its process ended with exit code {code}; see {directory / LOG}")


def _greets(directory: Path) -> bool:
    """Whether the run in `directory` says which one it is."""
    try:
        connection, _, _ = shake_hands(directory)
    except UserError:
        return False
    connection.close()
    return True


def _last_line(output: IO[bytes]) -> str:
    output.seek(0)
    lines = output.read().decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
