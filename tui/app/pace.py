"""Limits how often the screen is drawn, because drawing and training use the same cores."""

from __future__ import annotations

import time
from collections.abc import Callable

SHARE = 0.015  # of a core
SLOWEST = 1.0  # seconds between two frames, whatever they cost
CREDIT = 0.3  # seconds of a core for extra frames at the beginning, when there is most to see


class Pace:
    """After a frame that cost c seconds of this thread, the next one is due c / `share` seconds after its beginning.

    All work of the thread between two frames, mostly answering keys, counts as cost. Frames that come earlier use up
    `credit`, in seconds.
    """

    def __init__(
        self,
        share: float = SHARE,
        clock: Callable[[], float] = time.perf_counter,
        work: Callable[[], float] = time.thread_time,
        credit: float = CREDIT,
    ) -> None:
        self._share, self._clock, self._work, self._credit = share, clock, work, credit
        self._began, self._worked = clock() - SLOWEST, work()

    def allows_a_frame(self) -> bool:
        """Whether a frame is due; if so, it begins now."""
        now, worked = self._clock(), self._work()
        cost = worked - self._worked
        if now < self._began + min(cost / self._share, SLOWEST):
            if cost > self._credit:
                return False
            self._credit -= cost
        self._began, self._worked = now, worked
        return True
