"""Keeps large texts, as codes, in the user's cache directory: written once, memory-mapped at every later start.

A file holds the codes, then a JSON object that describes them, then the length of that object in eight
bytes, little-endian. The directory may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from engine.arrays import Codes
from engine.errors import UserError

ABANDONED_AFTER = 86_400.0  # seconds without a write: then the process that began a file has ended


def default_directory() -> Path | None:
    """`$XDG_CACHE_HOME/charrnn-tui`, or else `~/.cache/charrnn-tui`; None if the user has no home directory."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(root):
        root = os.path.expanduser("~/.cache")
    return Path(root, "charrnn-tui") if os.path.isabs(root) else None


def load(path: Path, stamps: list[str]) -> tuple[Codes, dict[str, Any]] | None:
    """The codes in `path`, memory-mapped, and their description; None if missing, damaged or of other `stamps`."""
    try:
        with path.open("rb") as file:
            size = file.seek(-8, os.SEEK_END) + 8
            length = int.from_bytes(file.read(8), "little")
            file.seek(size - 8 - length)
            description = json.loads(file.read(length))
            codes = _map(file, description)
            whole = description["stamps"] == stamps and size == codes.nbytes + length + 8
            return (codes, description) if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def store(path: Path | None, pieces: Iterator[Codes], description: dict[str, Any]) -> Codes:
    """Write the codes of `pieces` to `path` and map them.

    If `path` is None, or cannot be created, the file is a temporary one that disappears with this process.
    `description` must have the keys `dtype` and `length`. It is written last, so the iterator `pieces` may
    still add to it. Raises `UserError` if the disk is full or the write fails, and then leaves no file behind.
    """
    partial = ""
    try:
        file, partial = _open(path)
        with file:
            for codes in pieces:
                file.write(codes.data)
            footer = json.dumps(description).encode("utf-8")
            file.write(footer + len(footer).to_bytes(8, "little"))
            file.flush()
            if path and partial:
                os.replace(partial, path)
            return _map(file, description)
    except OSError as error:
        where = path.parent if path and partial else tempfile.gettempdir()
        raise UserError(
            f"{where}: cannot hold the encoded text ({error.strerror}); make room there, or set XDG_CACHE_HOME"
        ) from None
    finally:
        if partial:
            with contextlib.suppress(OSError):  # renamed already, unless something was raised
                os.unlink(partial)


def _open(path: Path | None) -> tuple[IO[bytes], str]:
    """A new file, open for writing, and its name; the name is empty for a temporary file."""
    if path:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _remove_abandoned(path.parent)
            descriptor, partial = tempfile.mkstemp(".part", path.stem, path.parent)
            return os.fdopen(descriptor, "w+b"), partial
        except OSError:
            pass  # training goes on without a cache
    return tempfile.TemporaryFile(), ""


def _map(file: IO[bytes], description: dict[str, Any]) -> Codes:
    return np.memmap(file, np.dtype(description["dtype"]), mode="r", shape=(description["length"],))


def _remove_abandoned(directory: Path) -> None:
    for partial in directory.glob("*.part"):
        with contextlib.suppress(OSError):
            if time.time() - partial.stat().st_mtime > ABANDONED_AFTER:
                partial.unlink()
