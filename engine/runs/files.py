"""Writes the files of a run. Only their owner can read them, and each is replaced in one step, never half written."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700
CHUNK = 1 << 24  # bytes given to the system at a time


def write_atomically(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Make `data` the content of `path`: a reader finds the old content or the new, never a mixture.

    With `durable` this also holds after a power cut. Raises `OSError` if the disk refuses; the old content then
    stays. Two processes must not write the same path at the same time.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
        try:
            write_all(descriptor, data)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):  # a full disk needs the space back
            os.unlink(temporary)
        raise
    if durable:  # the new name must survive a power cut too
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, although the system may take only a part of it at a time. Raises `OSError`."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest[:CHUNK]) :]
