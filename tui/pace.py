"""Drawing costs training time, where they share the cores: frames come as often as a small share of the time allows."""

from __future__ import annotations

import time
from collections.abc import Callable

SHARE = 0.015  # of a core
SLOWEST = 1.0  # seconds between two frames, whatever they cost


class Pace:
    """After a frame that cost c seconds of this thread, the next one is due when c / share have passed since it began.

    What else the thread does in between, answering keys above all, is part of the cost.
    """

    def __init__(
        self,
        share: float = SHARE,
        clock: Callable[[], float] = time.perf_counter,
        work: Callable[[], float] = time.thread_time,
    ) -> None:
        self._share, self._clock, self._work = share, clock, work
        self._began, self._worked = clock() - SLOWEST, work()

    def allows_a_frame(self) -> bool:
        """Whether one is due; if so, it begins now."""
        now, worked = self._clock(), self._work()
        if now < self._began + min((worked - self._worked) / self._share, SLOWEST):
            return False
        self._began, self._worked = now, worked
        return True
