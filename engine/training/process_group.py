"""Processes that train one network together: each runs all of it over some of the sequences.

Two threads of one process would wait for each other's Python between the many short NumPy calls of a step;
two BLAS threads leave all arithmetic but the products to one core. Processes meet only where the gradients are added
up and the parameters change, a few times a step. That takes less than a microsecond, because they meet by looking at
each other's counters, not by calling the system.

What one process wrote before it counts, the others see after it: so it is on x86 processors, which keep the order
of stores. Elsewhere one process does all, with the BLAS's threads.
"""

from __future__ import annotations

import math
import mmap
import os
import platform
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

SHARED_MEMORY_IS_ORDERED = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")

ALIGNED = 64  # bytes: where arrays begin
PIECE = 1 << 24  # bytes of shared memory that are mapped at a time
LINE = ALIGNED // 8  # counters of 8 bytes lie a cache line apart, or each would slow the others' down
LOOKS = 2_000  # at a counter, before others get the core: some 100 µs
PATIENCE_SECONDS = 0.005  # with handing on the core, before sleeping
NAP_SECONDS = 0.001


class ProcessGroup:
    """Member `rank` of `size`. The arrays of all members have the same memory, a file without a name."""

    def __init__(self, rank: int = 0, size: int = 1, file: int | None = None) -> None:
        self.rank, self.size = rank, size
        self._file, self._end = file, 0
        self._piece: Any = b""
        self._used = 0  # of the piece
        self.check: Callable[[], None] = lambda: None  # raises where another member is gone
        self._count = 0
        self._counters = memoryview(self.zeros((size * LINE,), np.int64))
        self._own = rank * LINE
        self._others = [other * LINE for other in range(size) if other != rank]

    def part(self, count: int) -> slice:
        """Which of `count` things, sequences or parameters, are this member's."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        """An array that all members see, zero at first. All must ask for the same ones in the same order."""
        if self._file is None:
            return np.zeros(shape, dtype)
        count = math.prod(shape)
        size = -(-count * np.dtype(dtype).itemsize // ALIGNED) * ALIGNED
        if len(self._piece) - self._used < size:
            self._piece, self._used = self._next_piece(self._file, max(size, PIECE)), 0
        array = np.frombuffer(self._piece, dtype, count, self._used).reshape(shape)
        self._used += size
        return array

    def _next_piece(self, file: int, size: int) -> Any:
        """A further piece of the memory. What nobody writes to takes none."""
        size = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        start, self._end = self._end, self._end + size
        if os.fstat(file).st_size < self._end:
            os.ftruncate(file, self._end)
        return mmap.mmap(file, size, offset=start)

    def barrier(self) -> None:
        """Wait until all are here; then each sees what the others wrote before."""
        if not self._others:
            return
        self._count = count = self._count + 1
        counters = self._counters
        counters[self._own] = count
        for other in self._others:
            looks = LOOKS
            while counters[other] < count:
                looks -= 1
                if not looks:
                    self._wait(other, count)

    def _wait(self, other: int, count: int) -> None:
        """Wait for one who does not come at once, and let others compute meanwhile."""
        since = time.monotonic()
        while self._counters[other] < count:
            if time.monotonic() < since + PATIENCE_SECONDS:
                time.sleep(0)
            else:
                self.check()
                time.sleep(NAP_SECONDS)


ALONE = ProcessGroup()
