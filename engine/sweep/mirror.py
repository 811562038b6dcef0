"""Carries a run's directory from one machine to another while it grows, so that no file system need be shared.

Where the run is trained, `Growth` reads what is new in its files; here, `Mirror` writes that into a directory of the
same content. At the end all files are carried (`files_of`), so that nothing depends on how much came before.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.runs import kept_weights
from engine.runs.directory import RunDirectory, require_directory
from engine.runs.files import append, make_directory, open_directory, open_file, read_file, write_atomically
from engine.runs.housekeeping import remove_run
from engine.runs.lock import locked
from engine.runs.record import CONFIG
from engine.runs.status import STATE
from engine.runs.waiting_weights import BEST
from engine.runs.writer import CHECKPOINT, LOG, METRICS, MODEL, PARTS, SAMPLES

GROWING = (METRICS, SAMPLES)
REPLACED = (CONFIG, STATE)
AT_THE_END = (LOG, BEST, MODEL, CHECKPOINT)  # the checkpoint last: with it the run can go on from here
LARGEST = 1 << 30  # bytes of a file
KEPT_NAME = re.compile(r"[0-9]{1,18}\.safetensors")
MOST = 1 << 22  # bytes of a file that are carried at a time

Files = dict[str, bytes]  # by name; the name of kept weights has their directory in it


def files_of(directory: Path) -> Files:
    """All files of the run in `directory`, but its text and its lock. Raises `OSError` if one cannot be read."""
    names = [name for name in (*REPLACED, *GROWING, *AT_THE_END) if os.path.lexists(directory / name)]
    names += [f"{kept_weights.DIRECTORY}/{step}{kept_weights.SUFFIX}" for step in kept_weights.steps(directory)]
    return {name: read_file(directory / name, LARGEST) for name in names}


def write_files(directory: RunDirectory, files: Mapping[str, bytes]) -> None:
    """Make `files` the run's files in `directory`; kept weights that are not among them go. Raises `OSError`."""
    kept = {name.removeprefix(f"{kept_weights.DIRECTORY}/"): data for name, data in files.items() if "/" in name}
    if kept or directory.has(kept_weights.DIRECTORY):
        with contextlib.suppress(FileExistsError):
            make_directory(kept_weights.DIRECTORY, dir_fd=directory.descriptor)
        descriptor = open_directory(kept_weights.DIRECTORY, dir_fd=directory.descriptor)
        try:
            for name, data in kept.items():
                if KEPT_NAME.fullmatch(name):
                    write_atomically(name, data, dir_fd=descriptor)
            for name in {*os.listdir(descriptor)} - {*kept}:
                os.unlink(name, dir_fd=descriptor)
        finally:
            os.close(descriptor)
    for name in (*REPLACED, *GROWING, *AT_THE_END):
        if name in files:
            directory.write(name, files[name])


class Growth:
    """Reads what is new in the files of the run in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._attempt = secrets.token_hex(8)
        self._read: dict[str, tuple[int, int]] = {}  # inode and bytes that were read
        self._seen: Files = {}

    def news(self) -> dict[str, Any] | None:
        """What is new since the last call, for `Mirror.take`; None if nothing is."""
        files: dict[str, tuple[int, bytes]] = {}
        for name in GROWING:
            with contextlib.suppress(OSError):  # it is not there yet
                if found := self._grown(name):
                    files[name] = found
        for name in REPLACED:
            with contextlib.suppress(OSError):
                data = read_file(self._directory / name, LARGEST)
                if data != self._seen.get(name):
                    self._seen[name] = data
                    files[name] = 0, data
        return {"attempt": self._attempt, "files": files} if files else None

    def _grown(self, name: str) -> tuple[int, bytes] | None:
        descriptor = open_file(self._directory / name, os.O_RDONLY)
        try:
            status = os.fstat(descriptor)
            inode, start = self._read.get(name, (status.st_ino, 0))
            if inode != status.st_ino or status.st_size < start:  # lines were dropped
                start = 0
            data = os.pread(descriptor, MOST, start)
        finally:
            os.close(descriptor)
        self._read[name] = status.st_ino, start + len(data)
        return (start, data) if data else None


class Mirror:
    """The directory at `path` for a run that is trained elsewhere; locked by this process until `close`.

    Raises `UserError` if another process has it or it is a link, `OSError` if it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        require_directory(path)
        if path.exists() and not (path / CHECKPOINT).exists():  # there is nothing to go on from
            remove_run(path)
        with contextlib.suppress(FileExistsError):
            make_directory(path)
        with locked(path, PARTS) as (self._directory, self._lock):
            pass
        self._attempt, self._before = "", set[str]()

    def take(self, message: Mapping[str, Any]) -> None:
        """Write what `Growth.news` has read. A message of a process that another has taken over from is ignored.

        Raises `OSError` if the disk refuses.
        """
        attempt = str(message["attempt"])
        if attempt != self._attempt:
            if attempt in self._before:
                return
            self._before.add(self._attempt)
            self._attempt = attempt
        for name, (start, data) in message["files"].items():
            if start == 0 and name in (*GROWING, *REPLACED):
                self._directory.write(name, data, durable=False)
            elif name in GROWING and self._size(name) == start:
                append(name, data, dir_fd=self._directory.descriptor)

    def _size(self, name: str) -> int:
        with contextlib.suppress(OSError):
            return os.stat(name, dir_fd=self._directory.descriptor, follow_symlinks=False).st_size
        return 0

    def replace(self, files: Mapping[str, bytes]) -> None:
        """Make `files` the run's files: they are as the run has left them. Raises `OSError` if the disk refuses."""
        write_files(self._directory, files)

    def close(self) -> None:
        """Let other processes have the run."""
        self._directory.close()
        self._lock.release()
