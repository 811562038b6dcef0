"""Large texts as codes in a file: written once, memory-mapped at every later start.

A file holds the codes, then a JSON object that describes them, then its length in eight bytes. The
cache may be deleted at any time.
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

from engine.encoding import Codes
from engine.errors import UserError

ABANDONED_AFTER = 86_400.0  # seconds; a partial file that old belongs to no living process


def cache_directory() -> Path | None:
    """`$XDG_CACHE_HOME/charrnn-tui` or `~/.cache/charrnn-tui`, made if need be; None where it cannot be written."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    directory = Path(root if os.path.isabs(root) else os.path.expanduser("~/.cache"), "charrnn-tui")
    return writable(directory)


def writable(directory: Path) -> Path | None:
    """`directory`, made if need be, or None where no file can be written into it."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return directory
    except OSError:
        return None


def load(path: Path, stamps: list[str]) -> tuple[Codes, dict[str, Any]] | None:
    """The codes in `path`, mapped, and their description; None unless they are whole and of these stamps."""
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


def store(directory: Path | None, name: str, pieces: Iterator[Codes], description: dict[str, Any]) -> Codes:
    """Write codes to the file `name` in `directory` and map them.

    Without a name, or without a directory, the file is temporary and gone when this process ends.
    `description` has the keys `dtype` and `length`, may be added to while `pieces` are made, and is
    written last. Raises `UserError` where there is no room; leaves nothing behind when it raises.
    """
    partial = ""
    try:
        if directory and name:
            _remove_abandoned(directory)
            descriptor, partial = tempfile.mkstemp(".part", name, directory)
            file: IO[bytes] = os.fdopen(descriptor, "w+b")
        else:
            file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 (closed below, when it is mapped)
        with file:
            for codes in pieces:
                file.write(codes.data)
            footer = json.dumps(description).encode("utf-8")
            file.write(footer + len(footer).to_bytes(8, "little"))
            file.flush()
            if partial:
                os.replace(partial, Path(partial).with_name(name))
            return _map(file, description)
    except OSError as error:
        where = directory or tempfile.gettempdir()
        raise UserError(
            f"{where}: cannot hold the encoded text ({error.strerror}); make room there, or set XDG_CACHE_HOME"
        ) from None
    finally:
        if partial:
            with contextlib.suppress(OSError):  # renamed already, unless something was raised
                os.unlink(partial)


def _map(file: IO[bytes], description: dict[str, Any]) -> Codes:
    return np.memmap(file, np.dtype(description["dtype"]), mode="r", shape=(description["length"],))


def _remove_abandoned(directory: Path) -> None:
    for partial in directory.glob("*.part"):
        with contextlib.suppress(OSError):
            if time.time() - partial.stat().st_mtime > ABANDONED_AFTER:
                partial.unlink()
