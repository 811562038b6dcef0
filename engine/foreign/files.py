"""Reads files that a user names: whatever may be in them, they are read with bounds, and nothing in them is run."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from engine.arrays import Array
from engine.errors import UserError
from engine.runs.files import require_size
from engine.runs.tensors import read_arrays, read_header
from engine.training.memory import require_room
from engine.typed_json import MalformedError

SAVED = "give a safetensors file, or what torch.save has made of a state dict"


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The regular file at `path`. An `OSError` in the `with` block becomes a `UserError` that names it.

    Of a file that says that it has no bytes, none are read: below /proc it may have no end, or be waited for.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not be waited for
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UserError(f"{path}: is no regular file; name a file")
            with file if status.st_size else open(os.devnull, "rb") as readable:
                yield readable
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); name a file that can be read") from None


def read_bytes(path: Path, limit: int) -> bytes:
    """All bytes of the file at `path`. Raises `UserError` if it cannot be read, or has more than `limit`."""
    with opened(path) as file:
        require_size(os.fstat(file.fileno()).st_size, limit)
        return file.read(limit)


def read_safetensors(path: Path) -> dict[str, Array]:
    """The arrays of the safetensors file at `path`, by name. Raises `UserError` if it is damaged, or of another kind.

    All that says how large the arrays are is checked against the file before memory is taken for them.
    """
    with opened(path) as file:
        try:
            header = read_header(file)
            require_room(sum(tensor.size for tensor in header.tensors.values()), f"{path}: what is in it")
            return {name: np.asarray(array) for name, array in read_arrays(file, header)}
        except MalformedError as error:
            raise UserError(f"{path}: is damaged, or no safetensors file ({error}); {SAVED}") from None
