"""Instruments cost training time: a budget keeps them at a stated share of the time that passes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EARLY_SHARE = 0.1  # of the time, as long as there is credit


class Budget:
    """After work that took d seconds, no more of it is due until d / `share` seconds have passed since it began.

    The first `credit` seconds may be spent at the larger share `EARLY_SHARE`. Work that may not wait is done all the
    same; `spend` counts it, and other work waits longer for it.
    """

    def __init__(self, share: float, clock: Callable[[], float] = time.perf_counter, credit: float = 0.0) -> None:
        self._share = share
        self._credit = credit
        self._clock = clock
        self._free_from = clock()

    @property
    def allows(self) -> bool:
        """Whether work that can wait may be done now."""
        return self._clock() >= self._free_from

    @contextmanager
    def spend(self) -> Iterator[None]:
        """Count the time of a `with` block, also of one that fails."""
        started = self._clock()
        try:
            yield
        finally:
            seconds = self._clock() - started
            self._credit -= seconds
            share = self._share if self._credit < 0 else max(self._share, EARLY_SHARE)
            self._free_from = max(self._free_from, started + seconds / share)
