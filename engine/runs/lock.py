"""Lets only one process write a run: a lock on a file, which the system releases even if the process crashes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from engine.errors import UserError
from engine.runs.files import PRIVATE_FILE

NAME = "lock"
# A reader that checks whether a run is alive holds the lock for some microseconds, so one refusal means little.
TRIES = 10
PAUSE = 0.02  # seconds between two tries


class RunLock:
    """The right to write into a run's directory, held until `release` or the end of the process.

    Raises `UserError` if another process holds it, `OSError` if there is no such directory.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / NAME
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
        try:
            self._take()
        except BaseException:
            os.close(self._descriptor)
            raise

    def _take(self) -> None:
        for attempt in range(TRIES):
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if attempt == TRIES - 1:
                    raise UserError(
                        f"{self._path.parent}: process {_read_pid(self._descriptor)} is writing this run; "
                        "stop that one first, or attach to it"
                    ) from None
                time.sleep(PAUSE)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def is_in_place(self) -> bool:
        """Whether the locked file is still in the directory. It is not, if the directory was deleted and made again."""
        try:
            there = os.stat(self._path)
        except OSError:
            return False
        return os.path.samestat(there, os.fstat(self._descriptor))

    def release(self) -> None:
        """Let other processes write the run. The file stays, because another process may be about to lock it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def holder(directory: Path) -> int | None:
    """The id of the process that writes the run in `directory`; None if there is none, 0 if the id is unknown."""
    try:
        descriptor = os.open(directory / NAME, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_pid(descriptor)
    finally:
        os.close(descriptor)
    return None


def _read_pid(descriptor: int) -> int:
    with contextlib.suppress(ValueError):
        return int(os.pread(descriptor, 32, 0))
    return 0
