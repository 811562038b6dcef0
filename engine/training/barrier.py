"""Two barriers for the processes of a group: each process waits until all have come, and then sees what they wrote.

A step may take less than a millisecond, and processes wait for each other at least three times in it, so neither lets a
process sleep before it has looked for some 100 µs. `CounterBarrier` makes no system call unless a process is late: each
process has a counter in shared memory, and looks at the others' counters, 0.2 µs in a group of two. A process that sees
another's new count must also see all that the other wrote before it, and only x86 processors keep the order of stores.
On others, the processes of `PipeBarrier` send each other a byte: what one wrote before the system call that sends it,
the other sees after the system call that receives it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import select
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.errors import closed_on_failure

KEEPS_ORDER = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")  # of stores into shared memory
STRIDE = 8  # counters of 8 bytes: two in one cache line of 64 bytes would slow each other down
LOOKS = 2_000  # at another's counter, some 100 µs, before the process yields its core to others
READS = 100  # of an empty pipe, some 100 µs, before the process sleeps
YIELD_SECONDS = 0.005  # for which it yields the core between looks; then it sleeps between them
SLEEP_SECONDS = 0.001  # between two looks
WAKE_SECONDS = 0.01  # for which it sleeps at a pipe before it checks whether the others are there

Check = Callable[[], None]
Pipe = tuple[int, int]  # descriptors to read and to write


class Barrier:
    """The barrier of a process alone: it waits for no other."""

    waiting = 0.0  # seconds of processor time that this process spent waiting for late ones

    def wait(self, check: Check) -> None:
        """Wait until all processes have reached this barrier. Then each sees what the others wrote before it.

        Where that takes long, `check` is called now and then; it raises if another process has ended.
        """

    @contextlib.contextmanager
    def _late(self) -> Iterator[None]:
        """Count the processor time of waiting for a late process."""
        used = time.thread_time()
        yield
        self.waiting += time.thread_time() - used


class CounterBarrier(Barrier):
    """The barrier of process `rank`, where memory keeps the order of stores.

    `counters` is shared memory, (STRIDE·n,) of zeros in the type int64 for n processes.
    """

    def __init__(self, rank: int, counters: Array) -> None:
        self._counters = memoryview(counters.data)
        self._own = rank * STRIDE
        self._others = [other for other in range(0, len(counters), STRIDE) if other != self._own]
        self._count = 0

    def wait(self, check: Check) -> None:
        self._count = count = self._count + 1
        counters = self._counters
        counters[self._own] = count
        for other in self._others:
            looks = LOOKS
            while counters[other] < count:
                looks -= 1
                if not looks:
                    with self._late():
                        self._wait_for(other, count, check)

    def _wait_for(self, other: int, count: int, check: Check) -> None:
        """Wait for a process that is late, and let other programs use the core meanwhile."""
        since = time.monotonic()
        while self._counters[other] < count:
            if time.monotonic() < since + YIELD_SECONDS:
                time.sleep(0)
            else:
                check()
                time.sleep(SLEEP_SECONDS)


class PipeBarrier(Barrier):
    """The barrier of process `rank`, on any processor. Process n reads the pipe `pipes[n]`, and the others write to it.

    The pipes are closed with it. A barrier of two processes takes some 10 µs.
    """

    def __init__(self, rank: int, pipes: list[Pipe]) -> None:
        self._inbox = pipes[rank][0]
        os.set_blocking(self._inbox, False)
        self._outboxes = [pipe[1] for number, pipe in enumerate(pipes) if number != rank]
        self._signature = bytes([rank])
        self._come = np.zeros(len(pipes), int)  # how often each process has come to a barrier
        self._rank = rank
        self._poll = select.poll()
        self._poll.register(self._inbox, select.POLLIN)
        weakref.finalize(self, _close, pipes)

    def wait(self, check: Check) -> None:
        come = self._come
        for outbox in self._outboxes:
            os.write(outbox, self._signature)
        come[self._rank] += 1
        count = come[self._rank]
        reads = READS
        while come.min() < count:
            if self._read():
                continue
            reads -= 1
            if reads <= 0:
                with self._late():
                    if not self._poll.poll(WAKE_SECONDS * 1000):
                        check()

    def _read(self) -> bool:
        """Note which processes have come; return whether any has."""
        try:
            signatures = os.read(self._inbox, 4096)
        except BlockingIOError:
            return False
        np.add.at(self._come, np.frombuffer(signatures, np.uint8), 1)
        return True


def make_pipes(size: int) -> list[Pipe]:
    """A pipe for each process of a group, which `PipeBarrier` closes. Raises `OSError` if the system has no more."""
    pipes: list[Pipe] = []
    with closed_on_failure(lambda: _close(pipes)):
        for _ in range(size):
            reading, writing = os.pipe()
            pipes.append((above_streams(reading), above_streams(writing)))
    return pipes


def above_streams(descriptor: int) -> int:
    """The descriptor, moved to 3 or above: a process that is started uses 0, 1 and 2 for its standard streams."""
    if descriptor > 2:
        return descriptor
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(descriptor)


def _close(pipes: Any) -> None:
    for pipe in pipes:
        for descriptor in pipe:
            os.close(descriptor)
