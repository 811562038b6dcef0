"""Files of a run: private, and replaced in one step, so that at no moment there is only half of one."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700
CHUNK = 1 << 24  # bytes handed over at a time


def write_atomically(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Make `data` the content of `path`: whoever reads it finds the old content or the new, never a mixture.

    With `durable` this also holds after a power cut. Where it raises `OSError` the old content stays.
    One writer for a path at a time.
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
    if durable:
        sync_directory(path.parent)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, however little the system takes at a time."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest[:CHUNK]) :]


def sync_directory(directory: Path) -> None:
    """Have the names in `directory` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
