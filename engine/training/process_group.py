"""A group of processes that train one network together: shared arrays, and a barrier.

Each process runs the whole network over some of the sequences of a batch. Python threads of one process would wait for
the interpreter lock between the many short NumPy calls of a step. BLAS threads speed up the matrix products only, and
leave all other arithmetic to one core. Processes wait for each other only when the gradients are added up and when the
parameters change, three times a step.

A step may take less than a millisecond, so the barrier makes no system call unless a process is late. Each process has
a counter of the barriers that it has reached, in shared memory, and looks at the others' counters. That takes 0.2 µs in
a group of two. A byte through a pipe and back takes 20 µs, and `multiprocessing.Barrier` 30 to 150 µs.
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

# A process that sees another's new count must also see everything that the other wrote before it. x86 processors keep
# the order of stores; on other processors there is one process, with several BLAS threads.
SHARED_MEMORY_IS_ORDERED = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")

ALIGNMENT = 64  # bytes, a cache line: every shared array begins at a multiple
PIECE = 1 << 24  # bytes of shared memory that are mapped at a time
STRIDE = ALIGNMENT // 8  # counters of 8 bytes: two in one cache line would slow each other down
LOOKS = 2_000  # at another's counter, some 100 µs, before the process yields its core to others
YIELD_SECONDS = 0.005  # for which it yields the core between looks; then it sleeps between them
SLEEP_SECONDS = 0.001  # between two looks


class ProcessGroup:
    """A group of `size` processes, as process `rank`, 0 … `size` − 1, sees it; without arguments, a group of one.

    `file` is the descriptor of a file that all processes map into their memory; it holds the shared arrays.
    """

    def __init__(self, rank: int = 0, size: int = 1, file: int | None = None) -> None:
        self.rank, self.size = rank, size
        self._file, self._end = file, 0
        self._piece: Any = b""
        self._used = 0  # bytes of the piece that belong to arrays already
        self.check: Callable[[], None] = lambda: None  # called while it waits; raises if another process has ended
        self.waiting = 0.0  # seconds of processor time that went into waiting for late processes
        self._count = 0
        self._counters = memoryview(self.zeros((size * STRIDE,), np.int64))
        self._own = rank * STRIDE
        self._others = [other * STRIDE for other in range(size) if other != rank]

    def part(self, count: int) -> slice:
        """The slice of `count` sequences or parameters that belongs to this process."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        """A new shared array of zeros. All processes must ask for the same arrays in the same order."""
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
        """Map `size` bytes more of the file. Raises `OSError` if the system has no room for them."""
        size = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        start, self._end = self._end, self._end + size
        if os.fstat(file).st_size < self._end:
            os.ftruncate(file, self._end)
            if hasattr(os, "posix_fallocate"):  # a write to a page without room would end the process by a signal
                os.posix_fallocate(file, start, size)
        return mmap.mmap(file, size, offset=start)

    def barrier(self) -> None:
        """Wait until all processes have reached this barrier. Then each sees what the others wrote before it."""
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
        """Wait for a process that is late, and let other programs use the core meanwhile."""
        since, used = time.monotonic(), time.thread_time()
        while self._counters[other] < count:
            if time.monotonic() < since + YIELD_SECONDS:
                time.sleep(0)
            else:
                self.check()
                time.sleep(SLEEP_SECONDS)
        self.waiting += time.thread_time() - used
