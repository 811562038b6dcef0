"""Checkpoints: named arrays and plain values in one safetensors file. A checksum makes `read` refuse a damaged file.

All values are in one metadata entry, a JSON object with sorted keys, so that the same content gives the same bytes:
safetensors writes several entries in random order. Format 1 had an entry for each value; it can still be read.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from engine.errors import UserError
from engine.runs.files import open_file, write_atomically
from engine.runs.tensors import read_arrays, read_header
from engine.typed_json import MalformedError, parse, shown

ENTRY = "charrnn_tui"  # the metadata entry: {"crc32": …, "format": …, "meta": {…}}
FORMAT, FORMAT_VERSION = "format", 2
FORMAT_1 = "charrnn_tui_format"  # the entry by which files of format 1 are recognised
CHECKSUM = "crc32"  # of the arrays and of all other values in the metadata

Arrays = dict[str, NDArray[Any]]
Shapes = dict[str, tuple[int, ...]]  # by the array's name


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


def read(path: Path, check: Callable[[Shapes], None] = lambda shapes: None) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and values that `write` put into `path`.

    `check` gets the shapes of the arrays by name before memory is taken for them, and raises `UserError` if they are
    not those that it wants. Raises `UserError` too if the file is missing, damaged, cut short, of another program, or
    of a newer version, or if its numbers are not finite.
    """
    try:
        with open(open_file(path, os.O_RDONLY), "rb") as file:
            header = read_header(file)
            values = _values(header.metadata)
            version = _version(values, path)
            check({name: tensor.shape for name, tensor in header.tensors.items()})
            arrays: Arrays = dict(read_arrays(file, header))
        if values.pop(CHECKSUM, "") != _checksum(arrays, values):
            raise MalformedError("its checksum does not fit")
        if version == 1:
            return arrays, {name: parse(text.encode()) for name, text in values.items() if name != FORMAT_1}
        if not isinstance(meta := values.get("meta"), dict):
            raise MalformedError("it has no values")
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file; a run has it after its first save") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); check the file's permissions") from None
    except (MalformedError, MemoryError) as error:
        raise UserError(f"{path}: is damaged or cut short ({error}); use another copy or another run") from None
    return arrays, meta


def _values(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The values in the header, the version and the checksum among them. Raises `MalformedError`."""
    if FORMAT_1 in metadata:
        return dict(metadata)
    values = parse(metadata.get(ENTRY, "{}").encode("utf-8", "surrogatepass"))
    if not isinstance(values, dict):
        raise MalformedError(f"{ENTRY}: is no object")
    return values


def _version(values: Mapping[str, Any], path: Path) -> int:
    version = values.get(FORMAT_1, values.get(FORMAT, 0))
    try:
        number = int(version) if isinstance(version, (int, str)) else 0
    except ValueError:
        number = 0
    if number < 1:
        raise UserError(f"{path}: was not written by charrnn-tui; give one of its runs")
    if number > FORMAT_VERSION:
        raise UserError(
            f"{path}: was written by a newer version (format {shown(number)}, this one knows {FORMAT_VERSION}); "
            "update charrnn-tui"
        )
    return number


def _checksum(arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> str:
    crc = zlib.crc32(json.dumps(values, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        crc = zlib.crc32(f"{name} {array.dtype.str} {array.shape}".encode(), crc)
        crc = zlib.crc32(array.reshape(-1).view(np.uint8).data, crc)
    return f"{crc:08x}"
