"""A group of processes that train one network together: shared arrays, and a barrier.

Each process runs the whole network over some of the sequences of a batch, or some of the units of every layer over all
sequences (`engine.network.cells.group`). Python threads of one process would wait for the interpreter lock between the
many short NumPy calls of a step. BLAS threads speed up the matrix products only, and leave all other arithmetic to one
core. Processes wait for each other only when the gradients are added up and when the parameters change, three times a
step; if they divide the units, at every time step, too.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from engine.training.barrier import STRIDE, Barrier, CounterBarrier, Pipe, PipeBarrier

ALIGNMENT = 64  # bytes, a cache line: every shared array begins at a multiple
PIECE = 1 << 24  # bytes of shared memory that are mapped at a time


class ProcessGroup:
    """A group of `size` processes, as process `rank`, 0 … `size` − 1, sees it; without arguments, a group of one.

    `file` is the descriptor of a file that all processes map into their memory; it holds the shared arrays. With
    `pipes`, one for each process, the barrier uses these, else counters in the shared memory.
    """

    def __init__(self, rank: int = 0, size: int = 1, file: int | None = None, pipes: list[Pipe] | None = None) -> None:
        self.rank, self.size = rank, size
        self._file, self._end = file, 0
        self._piece: Any = b""
        self._used = 0  # bytes of the piece that belong to arrays already
        self.check: Callable[[], None] = lambda: None  # called while it waits; raises if another process has ended
        self._barrier = Barrier()
        if pipes:
            self._barrier = PipeBarrier(rank, pipes)
        elif size > 1:
            self._barrier = CounterBarrier(rank, self.zeros((size * STRIDE,), np.int64))

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
        self._barrier.wait(self.check)

    @property
    def waiting(self) -> float:
        """Seconds of processor time that this process spent waiting for late ones."""
        return self._barrier.waiting
