"""One writer for a run: a lock that the system drops when its holder is gone, however it went."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from engine.errors import UserError
from engine.runs.files import PRIVATE_FILE

NAME = "lock"
# A reader that looks whether a run is alive holds the lock for some microseconds: try again for a little while.
TRIES = 10
PAUSE = 0.02  # seconds


class RunLock:
    """The right to write into a run's directory, held from creation to `release` or to the end of the process.

    Raises `UserError` where another process has it, `OSError` where there is no directory.
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
        """Whether the file that is locked is still the one in the directory."""
        try:
            there = os.stat(self._path)
        except OSError:
            return False
        return os.path.samestat(there, os.fstat(self._descriptor))

    def release(self) -> None:
        """Let others write. The file stays: removing it could take a lock away from somebody."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def holder(directory: Path) -> int | None:
    """The process that writes the run in `directory`, None where nobody does (0 where it has not said who it is)."""
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
