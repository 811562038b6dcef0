"""How much of a group's time is lost because another program uses one of its cores."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.training.process_group import ProcessGroup

SPAN = 10.0  # seconds of training after which the lost share is judged, over and over
BUSY = 0.25  # more is another program's doing: processes with a core each lose some hundredths, else about a half


class Contention:
    """The share of its steps' time in which the main process of a group did not work.

    It does not work while it waits for a process that is late, and while the system gives its core to another program.
    Where each process has a core, both are short, since all have the same work. All processes wait for the slowest one:
    a program that takes half of one core takes half of all. `clock` and `used` give seconds, passed and of processor
    time of this thread.
    """

    def __init__(
        self,
        group: ProcessGroup,
        clock: Callable[[], float] = time.perf_counter,
        used: Callable[[], float] = time.thread_time,
    ) -> None:
        self._group, self._clock, self._used = group, clock, used
        self._judged = 0.0  # lost share of the last whole span
        self.restart()

    def restart(self) -> None:
        """Begin a new span, without what was counted in this one."""
        self._passed = self._worked = 0.0  # seconds in steps, and seconds worked in them

    @contextmanager
    def step(self) -> Iterator[None]:
        """Count the time of a step, which is made meanwhile."""
        if self._group.size == 1:
            yield
            return
        began, used = self._clock(), self._used() - self._group.waiting
        yield
        self._passed += self._clock() - began
        self._worked += self._used() - self._group.waiting - used
        if self._passed >= SPAN:
            self._judged = self.lost
            self.restart()

    @property
    def lost(self) -> float:
        """The lost share of the time counted since the present span began; 0 for a process alone."""
        return max(0.0, 1 - self._worked / self._passed) if self._passed else 0.0

    @property
    def warning(self) -> str:
        """A sentence if another program takes the group's time; else empty."""
        if self._judged <= BUSY:
            return ""
        return (
            f"another program uses a core of this run: its {self._group.size} processes wait for each other "
            f"{self._judged:.0%} of the time; end that program, or go on with fewer workers"
        )
