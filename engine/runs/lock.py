"""Lets only one process write a run: a lock on a file, which the system releases even if the process crashes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from engine.errors import UserError, closed_on_failure
from engine.runs.directory import RunDirectory
from engine.runs.files import open_file

NAME = "lock"
# A reader that checks whether a run is alive holds the lock for some microseconds, so one refusal means little.
TRIES = 10
PAUSE = 0.02  # seconds between two tries


class RunLock:
    """The right to write into a run's directory, held until `release` or the end of the process.

    With `dir_fd`, a descriptor of that directory, nothing is looked up by its path. Raises `UserError` if another
    process holds the lock, `OSError` if there is no such directory or its lock is no file of this user.
    """

    def __init__(self, directory: Path, *, dir_fd: int | None = None) -> None:
        self._directory = directory
        self._path = Path(NAME) if dir_fd is not None else directory / NAME
        self._descriptor = open_file(self._path, os.O_RDWR | os.O_CREAT, dir_fd=dir_fd)
        with closed_on_failure(partial(os.close, self._descriptor)):
            self._take()

    def _take(self) -> None:
        for attempt in range(TRIES):
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if attempt == TRIES - 1:
                    raise UserError(
                        f"{self._directory}: process {_read_pid(self._descriptor)} is writing this run; "
                        "stop that one first, or attach to it"
                    ) from None
                time.sleep(PAUSE)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def is_in_place(self, *, dir_fd: int | None = None) -> bool:
        """Whether the locked file is still in the directory. It is not, if all files were deleted."""
        try:
            there = os.stat(self._path, dir_fd=dir_fd, follow_symlinks=False)
        except OSError:
            return False
        return os.path.samestat(there, os.fstat(self._descriptor))

    def release(self) -> None:
        """Let other processes write the run. The file stays, because another process may be about to lock it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Parts(NamedTuple):
    """The names of what a run has in its directory: files that grow, files that are replaced, directories."""

    growing: tuple[str, ...]
    replaced: tuple[str, ...]
    directories: tuple[str, ...]


@contextlib.contextmanager
def locked(path: Path, parts: Parts) -> Iterator[tuple[RunDirectory, RunLock]]:
    """The directory at `path`, fit to be written, and its lock; if the `with` block fails, they are let go.

    Raises `UserError` if others may write into it or another process does, `OSError` if one of its `parts` is a link,
    not of this user, or has a second name though it grows. Nothing has been changed then.
    """
    with contextlib.ExitStack() as on_failure:
        directory = RunDirectory(path)
        on_failure.callback(directory.close)
        directory.require_private()
        for name in (*parts.growing, *parts.replaced):
            directory.require_own(name, stat.S_IFREG, alone=name in parts.growing)
        for name in parts.directories:
            directory.require_own(name, stat.S_IFDIR)
        lock = RunLock(path, dir_fd=directory.descriptor)
        on_failure.callback(lock.release)
        yield directory, lock
        on_failure.pop_all()


def holder(directory: Path) -> int | None:
    """The id of the process that writes the run in `directory`; None if there is none, 0 if the id is unknown."""
    try:
        descriptor = open_file(directory / NAME, os.O_RDONLY)
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
