"""A group of processes that train one network together: shared arrays, and a barrier.

Each process runs the whole network over some of the sequences of a batch. Two threads of one process would wait for
each other's Python between the many short NumPy calls of a step; two BLAS threads leave all arithmetic but the
products to one core. Processes wait for each other only where the gradients are added up and the parameters change,
three times a step.

A step may take less than a millisecond, so the barrier does not call the system: each process counts the barriers it
has reached in shared memory and looks at the others' counters. That takes 0.2 µs in a group of two; a byte through a
pipe and one back take 20 µs, `multiprocessing.Barrier` 30 to 150 µs.
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

# What a process writes before it counts a barrier, the others must see once they see the count. x86 processors keep
# the order of stores; on others one process does all, with the BLAS's threads.
SHARED_MEMORY_IS_ORDERED = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")

ALIGNMENT = 64  # bytes, a cache line: arrays begin at multiples
PIECE = 1 << 24  # bytes of shared memory that are mapped at a time
STRIDE = ALIGNMENT // 8  # counters of 8 bytes lie a cache line apart, or each would slow down the others
LOOKS = 2_000  # at another's counter before the core is given away: some 100 µs
YIELD_SECONDS = 0.005  # of giving the core away again and again, before sleeping
SLEEP_SECONDS = 0.001  # between two looks from then on


class ProcessGroup:
    """Process `rank`, 0 … `size` − 1, of a group; without arguments, a group of one.

    `file` is the descriptor of the file, the same for all processes, whose memory their arrays share.
    """

    def __init__(self, rank: int = 0, size: int = 1, file: int | None = None) -> None:
        self.rank, self.size = rank, size
        self._file, self._end = file, 0
        self._piece: Any = b""
        self._used = 0  # bytes of the piece
        self.check: Callable[[], None] = lambda: None  # called while waiting; raises if another process is gone
        self._count = 0
        self._counters = memoryview(self.zeros((size * STRIDE,), np.int64))
        self._own = rank * STRIDE
        self._others = [other * STRIDE for other in range(size) if other != rank]

    def part(self, count: int) -> slice:
        """Which of `count` sequences or parameters are this process's."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        """A shared array, zero at first. All processes must ask for the same arrays in the same order."""
        if self._file is None:
            return np.zeros(shape, dtype)
        count = math.prod(shape)
        size = -(-count * np.dtype(dtype).itemsize // ALIGNMENT) * ALIGNMENT
        if len(self._piece) - self._used < size:
            self._piece, self._used = self._next_piece(self._file, max(size, PIECE)), 0
        array = np.frombuffer(self._piece, dtype, count, self._used).reshape(shape)
        self._used += size
        return array

    def _next_piece(self, file: int, size: int) -> Any:
        """Map `size` bytes more of the file. Pages that are never written take no memory."""
        size = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        start, self._end = self._end, self._end + size
        if os.fstat(file).st_size < self._end:
            os.ftruncate(file, self._end)
        return mmap.mmap(file, size, offset=start)

    def barrier(self) -> None:
        """Wait until all processes are here; then each sees what the others wrote before."""
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
        """Wait for a process that is late, and leave the core to others meanwhile."""
        since = time.monotonic()
        while self._counters[other] < count:
            if time.monotonic() < since + YIELD_SECONDS:
                time.sleep(0)
            else:
                self.check()
                time.sleep(SLEEP_SECONDS)
