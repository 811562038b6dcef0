"""Checkpoints: named arrays and plain values in one safetensors file that is whole and unchanged, or refused."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from engine.errors import UserError
from engine.runs.files import write_atomically

FORMAT = "charrnn_tui_format"
FORMAT_VERSION = 1
CHECKSUM = "crc32"

Arrays = dict[str, NDArray[Any]]


def write(path: Path, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
    """Replace the file at `path`; the one that was there stays good until the new one is complete.

    `meta` holds what JSON can hold; whole numbers of any size stay exact. Raises `OSError`.
    """
    # The library reads memory from the array's first byte on, so it must be contiguous.
    tensors = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    header = {name: json.dumps(value) for name, value in meta.items()}
    header[FORMAT] = str(FORMAT_VERSION)
    header[CHECKSUM] = _checksum(tensors, header)
    write_atomically(path, save(tensors, header))


def read(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and values that `write` put into `path`.

    Raises `UserError` where there is no such file, or it is damaged, cut short, of another program or newer.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            header = dict(file.metadata() or {})
            arrays: Arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 it is no dict
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file; a run has it after its first save") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error}); check the file's permissions") from None
    except (SafetensorError, ValueError, TypeError, MemoryError) as error:
        raise UserError(f"{path}: is damaged or cut short ({error}); use another copy or another run") from None
    _check_version(path, header)
    checksum = header.pop(CHECKSUM, "")
    if checksum != _checksum(arrays, header):
        raise UserError(f"{path}: is damaged (its checksum does not fit); use another copy or another run")
    del header[FORMAT]
    return arrays, {name: json.loads(text) for name, text in header.items()}


def _check_version(path: Path, header: Mapping[str, str]) -> None:
    version = header.get(FORMAT, "")
    if not version.isdecimal():
        raise UserError(f"{path}: was not written by charrnn-tui; give one of its runs")
    if int(version) > FORMAT_VERSION:
        raise UserError(
            f"{path}: was written by a newer version (format {version}, this one knows {FORMAT_VERSION}); "
            "update charrnn-tui"
        )


def _checksum(arrays: Mapping[str, NDArray[Any]], header: Mapping[str, str]) -> str:
    crc = zlib.crc32(json.dumps(dict(header), sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        crc = zlib.crc32(f"{name} {array.dtype.str} {array.shape}".encode(), crc)
        crc = zlib.crc32(array.reshape(-1).view(np.uint8).data, crc)
    return f"{crc:08x}"
