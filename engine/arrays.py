"""The types of the engine's arrays, and arrays in memory that is read fast: in large pages, at whole cache lines."""

from __future__ import annotations

import math
import mmap
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]
Codes = Integers  # characters as indices into a vocabulary
AnyArray = TypeVar("AnyArray", bound=NDArray[Any])

PAGE = 2 << 20  # bytes of a large page
SMALLEST = PAGE // 4  # bytes: a smaller array would waste most of a page
LINE = 64  # bytes of a cache line


def frozen(array: AnyArray) -> AnyArray:
    """`array` itself, made read-only."""
    array.flags.writeable = False
    return array


def zeros(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """An array of zeros, in large pages of memory where it is large and the system has them.

    A training step reads many megabytes: with fewer pages, fewer of their addresses have to be looked up.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < SMALLEST or not hasattr(mmap, "MADV_HUGEPAGE"):
        return aligned(shape, dtype)
    memory = mmap.mmap(-1, -(-size // PAGE) * PAGE + PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # the system has no large pages after all
        memory.madvise(mmap.MADV_HUGEPAGE)
    start = -np.frombuffer(memory, np.uint8).ctypes.data % PAGE
    return np.frombuffer(memory, dtype, math.prod(shape), start).reshape(shape)


def aligned(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """An array of zeros that begins at a cache line.

    NumPy's own begin anywhere: then every second or even every load of a whole register reads two lines.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.zeros(size + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + size].view(dtype).reshape(shape)
