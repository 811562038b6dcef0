"""Reads a safetensors file step by step: its header is checked against the file, and by the caller, before any array.

    8 bytes   length of the header, little-endian
    header    JSON: {name: {"dtype": "F32", "shape": [4, 8], "data_offsets": [begin, end]}, …, "__metadata__": {…}}
    arrays    one after the other, without gaps

The library `safetensors` maps the file into memory: it takes the header's word for the sizes, and a file that is cut
short meanwhile ends the process.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from engine.typed_json import MOST, Count, MalformedError, parse, read, shown

HEADER_LIMIT = 8 << 20  # bytes; a thousand layers need less than one million
MOST_DIMENSIONS = 8  # of an array; more than any network has
LONGEST_NAME = 200  # characters, so that a sentence can name an array
METADATA = "__metadata__"
# The types of number that a run writes, and those that GPUs train with.
ITEM_BYTES = {"F32": 4, "F64": 8, "F16": 2, "BF16": 2}


@dataclass(frozen=True, slots=True)
class Tensor:
    """What the header says of one array: its type, shape, and first and last + 1 byte after the header."""

    dtype: Literal["F32", "F64", "F16", "BF16"]
    shape: tuple[Count, ...]
    data_offsets: tuple[Count, ...]

    @property
    def size(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]


@dataclass(frozen=True, slots=True)
class Header:
    """The arrays of a file by name, in the order in which they stand there, and its metadata, texts by name."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]


def read_header(file: BinaryIO) -> Header:
    """The header of `file`, which then stands at the first array.

    Raises `MalformedError` if the header does not fit the file.
    """
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if not 0 < length <= min(HEADER_LIMIT, size - 8):
        raise MalformedError(f"its header of {length:,} bytes does not fit a file of {size:,} bytes")
    values = parse(file.read(length))
    if not isinstance(values, dict):
        raise MalformedError("its header is no object")
    metadata = values.pop(METADATA, {})
    header = read(Header, {"tensors": values, "metadata": metadata})
    tensors = dict(sorted(header.tensors.items(), key=lambda item: item[1].data_offsets))
    end = 0
    for name, tensor in tensors.items():
        if len(name) > LONGEST_NAME:
            raise MalformedError(f"an array's name has {len(name):,} characters")
        # An array without numbers takes no bytes, and NumPy would refuse one with 0 × 10^15 × 10^15 of them.
        if len(tensor.shape) > MOST_DIMENSIONS or math.prod(max(1, each) for each in tensor.shape) > MOST:
            raise MalformedError(f"{name}: has the shape {shown(list(tensor.shape))}")
        begin, end = end, end + tensor.size
        if tensor.data_offsets != (begin, end):
            raise MalformedError(f"{name}: its shape and its place in the file do not fit")
    if 8 + length + end != size:
        raise MalformedError(f"its arrays take {8 + length + end:,} bytes, and the file has {size:,}")
    return Header(tensors, header.metadata)


def read_arrays(file: BinaryIO, header: Header) -> Iterator[tuple[str, NDArray[Any]]]:
    """Name and array for each tensor of `header`, read from `file`, where `read_header` has left it.

    Raises `MalformedError` if the file has become shorter, or an array holds NaN or infinity.
    """
    for name, tensor in header.tensors.items():
        array = np.empty(tensor.shape, "<u2" if tensor.dtype == "BF16" else f"<f{ITEM_BYTES[tensor.dtype]}")
        if file.readinto(array.reshape(-1).view(np.uint8).data) != tensor.size:  # type: ignore[attr-defined]
            raise MalformedError("it was cut short while it was read")
        if tensor.dtype == "BF16":  # the upper half of a float32
            array = (array.astype("<u4") << 16).view("<f4")
        if not np.isfinite(array).all():
            raise MalformedError(f"{name}: has numbers that are not finite")
        yield name, array
