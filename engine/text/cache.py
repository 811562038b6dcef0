"""Keeps large texts, as codes, in the user's cache directory: written once, memory-mapped at every later start.

A file holds the codes, then a JSON object that describes them, then the length of that object in eight
bytes, little-endian. The fingerprint of the text is their checksum. The directory may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np

from engine.arrays import Codes
from engine.errors import UserError
from engine.text.vocabulary import Vocabulary

CHECKED = 1 << 24  # codes that are added to the checksum at a time
ABANDONED_AFTER = 86_400.0  # seconds without a write: then the process that began a file has ended


def default_directory() -> Path | None:
    """`$XDG_CACHE_HOME/charrnn-tui`, or else `~/.cache/charrnn-tui`; None if the user has no home directory."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(root):
        root = os.path.expanduser("~/.cache")
    return Path(root, "charrnn-tui") if os.path.isabs(root) else None


def load(path: Path, stamps: list[str]) -> dict[str, Any] | None:
    """What `path` holds: `codes`, memory-mapped, `vocabulary`, `fingerprint` and `left_out`, named as in `Corpus`.

    None if the file is missing, damaged, of other `stamps`, no regular file, or could have been written by another
    user.
    """
    try:
        with open_private(path) as file:
            status = os.fstat(file.fileno())
            file.seek(status.st_size - 8)
            length = int.from_bytes(file.read(8), "little")
            file.seek(status.st_size - 8 - length)
            description = json.loads(file.read(length))
            if description["stamps"] != stamps:
                return None
            codes = _map(file, description)
            if status.st_size != codes.nbytes + length + 8 or _fingerprint(codes, description) is None:
                return None
            return {
                "codes": codes,
                "vocabulary": Vocabulary.from_points(description["points"]),
                "fingerprint": description["fingerprint"],
                "left_out": tuple(map(str, description["left_out"])),
            }
    except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError):
        return None


def open_private(path: Path) -> BinaryIO:
    """The file at `path`, opened to be read.

    Raises `OSError` if it is a link or no regular file, which could hold up the program or have no end, or if another
    user could have written it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    status = os.fstat(descriptor)
    if not (stat.S_ISREG(status.st_mode) and _is_private(status)):
        os.close(descriptor)
        raise PermissionError
    return open(descriptor, "rb")


def digest(points: Iterable[int]) -> hashlib._Hash:
    """The beginning of a text's fingerprint, that of its vocabulary; update it with all codes in order."""
    return hashlib.sha256(str(list(points)).encode("ascii"))


def _fingerprint(codes: Codes, description: dict[str, Any]) -> str | None:
    """The fingerprint of the codes, if it is the one that `description` has; else None."""
    found = digest(description["points"])
    for start in range(0, len(codes), CHECKED):
        found.update(codes[start : start + CHECKED].data)
    return found.hexdigest() if found.hexdigest() == description["fingerprint"] else None


def require_room(path: Path | None, size: int) -> None:
    """Raise `UserError` if the disk that would hold `path` has no room for a text of `size` bytes."""
    place = next((p for p in path.parents if p.is_dir()), None) if path else None
    place = place or Path(tempfile.gettempdir())
    if shutil.disk_usage(place).free < size:
        raise UserError(
            f"{place}: has no room for the encoded text, {size:,} bytes; make room there, set XDG_CACHE_HOME, or name "
            "a smaller text"
        )


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
            make_directory(path.parent)
            _remove_abandoned(path.parent)
            descriptor, partial = tempfile.mkstemp(".part", path.stem, path.parent)
            os.fchmod(descriptor, 0o600)  # the umask may have taken even the owner's bits
            return os.fdopen(descriptor, "w+b"), partial
        except OSError:
            pass  # training goes on without a cache
    return tempfile.TemporaryFile(), ""


def make_directory(directory: Path) -> None:
    """Make the cache directory, for its owner only whatever the umask, or see that it is such a directory.

    Raises `OSError` if the directory cannot be made, or belongs to another user.
    """
    for path in (*reversed(directory.parents), directory):
        if not path.is_dir():
            path.mkdir(mode=0o700, exist_ok=True)
            path.chmod(0o700)
    status = directory.stat()
    if status.st_uid != os.geteuid():
        raise PermissionError(f"{directory} belongs to another user")
    if stat.S_IMODE(status.st_mode) != 0o700:
        directory.chmod(0o700)


def _is_private(status: os.stat_result) -> bool:
    """Whether a file belongs to this user, and no other may write to it."""
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _map(file: IO[bytes], description: dict[str, Any]) -> Codes:
    return np.memmap(file, np.dtype(description["dtype"]), mode="r", shape=(description["length"],))


def _remove_abandoned(directory: Path) -> None:
    for partial in directory.glob("*.part"):
        with contextlib.suppress(OSError):
            if time.time() - partial.stat().st_mtime > ABANDONED_AFTER:
                partial.unlink()
