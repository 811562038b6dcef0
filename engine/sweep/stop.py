"""Stops a run or a whole sweep that another process on this machine has."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from engine.errors import UserError
from engine.remote.client import stop_run
from engine.runs.directory import private_directory
from engine.runs.files import writing_into
from engine.runs.lock import holder
from engine.sweep.study import is_sweep


def stop(path: Path) -> None:
    """Ask the process that has the run or the sweep in `path` to save and end; it takes a while to do so.

    Raises `UserError` if the run's process does not answer, or the sweep's cannot be asked.
    """
    if not is_sweep(path):
        stop_run(path)
        return
    with writing_into(path), private_directory(path):  # where others may write, they could name another process
        pid = holder(path)
    if pid is not None and pid <= 1:  # its id is not written yet
        raise UserError(f"{path}: it is not known which process conducts this sweep; try again")
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.kill(pid, signal.SIGTERM)
