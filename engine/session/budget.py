"""Looking costs training time: a budget that keeps it at a stated share of the time that passes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EARLY_SHARE = 0.1  # of the time, while there is credit
WINDOW = 30.0  # seconds over which the share that was really taken is measured


class Budget:
    """After work that took d seconds, no more of it is due until d / share have passed since it began.

    The first `credit` seconds may be spent at a larger share. Work that may not wait is done all the same and counted;
    `taken` says what share it came to.
    """

    def __init__(self, share: float, clock: Callable[[], float] = time.perf_counter, credit: float = 0.0) -> None:
        self.limit = share
        self._credit = credit
        self._clock = clock
        self._began = clock()
        self._free_from = self._began
        self._spent: deque[tuple[float, float]] = deque()  # (when it ended, seconds)

    @property
    def allows(self) -> bool:
        """Whether work that can wait may be done now."""
        return self._clock() >= self._free_from

    @property
    def taken(self) -> float:
        """The share of the last 30 seconds that went into the work."""
        now = self._clock()
        while self._spent and self._spent[0][0] < now - WINDOW:
            self._spent.popleft()
        passed = min(WINDOW, now - self._began)
        return min(1.0, sum(seconds for _, seconds in self._spent) / passed) if passed > 0 else 0.0

    @contextmanager
    def spend(self, *, others_wait: bool = True) -> Iterator[None]:
        """Count the time of a `with` block; `others_wait` is false for work that comes seldom and must be done."""
        started = self._clock()
        try:
            yield
        finally:
            ended = self._clock()
            self._spent.append((ended, ended - started))
            self._credit -= ended - started if others_wait else 0
            if others_wait:
                limit = self.limit if self._credit < 0 else max(self.limit, EARLY_SHARE)
                self._free_from = max(self._free_from, started + (ended - started) / limit)
