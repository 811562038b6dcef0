"""Checkpoints: named arrays and plain values in one safetensors file. A checksum makes `read` refuse a damaged file.

All values are in one metadata entry, a JSON object with sorted keys, so that the same content gives the same bytes:
safetensors writes several entries in random order. Format 1 had an entry for each value; it can still be read.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from engine.errors import UserError
from engine.runs.files import open_file, write_atomically

ENTRY = "charrnn_tui"  # the metadata entry: {"crc32": …, "format": …, "meta": {…}}
FORMAT, FORMAT_VERSION = "format", 2
FORMAT_1 = "charrnn_tui_format"  # the entry by which files of format 1 are recognised
CHECKSUM = "crc32"  # of the arrays and of all other values in the metadata

Arrays = dict[str, NDArray[Any]]


def write(
    path: Path | str, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], *, dir_fd: int | None = None
) -> None:
    """Write `arrays` and `meta` into the file at `path`. An old file is replaced only when the new one is complete.

    With `dir_fd`, the descriptor of a directory, `path` is relative to that.

    `meta` may hold all that JSON can hold; integers of any size stay exact. Raises `OSError` if the disk refuses.
    """
    # safetensors reads an array's memory from its first byte on, so it must be contiguous.
    tensors = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    values: dict[str, Any] = {FORMAT: FORMAT_VERSION, "meta": dict(meta)}
    values[CHECKSUM] = _checksum(tensors, values)
    write_atomically(path, save(tensors, {ENTRY: json.dumps(values, sort_keys=True)}), dir_fd=dir_fd)


def read(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and values that `write` put into `path`.

    Raises `UserError` if the file is missing, damaged, cut short, of another program, or of a newer version.
    """
    try:
        with _opened(path) as opened, safe_open(opened, framework="numpy") as file:
            entries = dict(file.metadata() or {})
            arrays: Arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 it is no dict
        values: dict[str, Any] = entries if FORMAT_1 in entries else json.loads(entries.get(ENTRY, "{}"))
        version = int(values.get(FORMAT_1, values.get(FORMAT, 0)))
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file; a run has it after its first save") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); check the file's permissions") from None
    except (SafetensorError, ValueError, TypeError, AttributeError, MemoryError) as error:
        raise UserError(f"{path}: is damaged or cut short ({error}); use another copy or another run") from None
    if version < 1:
        raise UserError(f"{path}: was not written by charrnn-tui; give one of its runs")
    if version > FORMAT_VERSION:
        raise UserError(
            f"{path}: was written by a newer version (format {version}, this one knows {FORMAT_VERSION}); "
            "update charrnn-tui"
        )
    if values.pop(CHECKSUM, "") != _checksum(arrays, values):
        raise UserError(f"{path}: is damaged (its checksum does not fit); use another copy or another run")
    if version == 1:
        return arrays, {name: json.loads(text) for name, text in values.items() if name != FORMAT_1}
    return arrays, values["meta"]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[str]:
    """A path that leads to the file at `path` as long as the context lasts, whatever its name leads to by then.

    Raises `OSError` if it is no regular file of this user.
    """
    descriptor = open_file(path, os.O_RDONLY)
    try:
        held = f"/dev/fd/{descriptor}"
        yield held if os.path.exists(held) else str(path)
    finally:
        os.close(descriptor)


def _checksum(arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> str:
    crc = zlib.crc32(json.dumps(values, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        crc = zlib.crc32(f"{name} {array.dtype.str} {array.shape}".encode(), crc)
        crc = zlib.crc32(array.reshape(-1).view(np.uint8).data, crc)
    return f"{crc:08x}"
