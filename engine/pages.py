"""Arrays in large pages, where the system has them: a step that walks through many megabytes looks up fewer of them."""

from __future__ import annotations

import math
import mmap
from contextlib import suppress

import numpy as np
from numpy.typing import DTypeLike

from engine.parameters import Array

PAGE = 2 << 20
WORTH_IT = PAGE // 4  # bytes: a smaller array would waste most of a page


def zeros(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """`np.zeros`, aligned for and asking for large pages where the array is large."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < WORTH_IT or not hasattr(mmap, "MADV_HUGEPAGE"):
        return np.zeros(shape, dtype)
    memory = mmap.mmap(-1, -(-size // PAGE) * PAGE + PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # of a system that knows of them, but has none
        memory.madvise(mmap.MADV_HUGEPAGE)
    start = -np.frombuffer(memory, np.uint8).ctypes.data % PAGE
    return np.frombuffer(memory, dtype, math.prod(shape), start).reshape(shape)
