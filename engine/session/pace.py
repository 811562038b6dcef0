"""Timing: what is due after which step, how much time the instruments may take, and how fast training is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

REPORT_EVERY = 10  # steps between two lines of metrics, before the distance doubles
DENSE = 100_000  # the step at which that distance first doubles; it doubles again each time the step doubles
VALIDATE_EVERY = 500  # steps, which double as those between lines do
VALIDATE_EARLY = (50, 100, 250)  # steps besides, so that the curve starts soon
PLATEAU = 5  # validations in a row without a lower loss: then the loss has stopped falling
MOMENTS_EARLY = (0, 1, 2, 5, 10, 20, 50, 100, 200)  # steps
MOMENT_EVERY = 500  # steps
MOMENTS_PER_DOUBLING = 4  # moments while the steps double, from 4,000 steps on
SAMPLES_PER_DOUBLING = 128  # in the log, while the steps double
EARLY_SHARE = 0.1  # of the time, as long as there is credit
SPEED_SECONDS, STEADY_SECONDS = 2.0, 30.0  # horizon of the mean speed: as it is shown, and for the time that is left


def is_report_due(step: int) -> bool:
    """Whether step number `step` closes a line of metrics.

    Lines grow rarer with the logarithm of the steps, or the lines of a day would take minutes to read again.
    """
    return step % (REPORT_EVERY << _doublings(step)) == 0


def is_validation_due(step: int) -> bool:
    """Whether a validation follows step number `step`."""
    return step in VALIDATE_EARLY or step % (VALIDATE_EVERY << _doublings(step)) == 0


def is_moment(step: int) -> bool:
    """Whether the weights of `step` are kept.

    These are steps 0, 1, 2, 5, 10, 20, 50, 100, 200, then every 500 steps, and from 4,000 on four in each
    doubling of the steps: some 50 in a million, less than 100 in a hundred million.
    """
    if step < MOMENT_EVERY:
        return step in MOMENTS_EARLY
    doublings = max(0, (step // (MOMENT_EVERY * MOMENTS_PER_DOUBLING)).bit_length() - 1)
    return step % (MOMENT_EVERY << doublings) == 0


def is_sample_kept(step: int, before: int | None) -> bool:
    """Whether a sample begun at `step` goes into the log after the one begun at step `before`.

    While the steps double, `SAMPLES_PER_DOUBLING` samples at most are kept, spread evenly. A watched run finishes one
    every few seconds: all of the first quarter of an hour are kept, and some 4 MB a day.
    """
    return before is None or step - before >= max(1, step / SAMPLES_PER_DOUBLING)


def _doublings(step: int) -> int:
    """How many times the distance between two lines of metrics has doubled by `step`."""
    return (step // DENSE).bit_length()


class Budget:
    """Keeps instruments at a `share` of the time: work of d seconds is followed by none until d / `share` have passed.

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


class Allowance:
    """Keeps work that others ask for at a `share` of the time, 0 … 1, however much is asked.

    Up to `burst` seconds of work that were not used before may be done at once. Work is begun only if some of the
    allowance is left; what it takes too much is missing later.
    """

    def __init__(self, share: float, burst: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._share, self._burst, self._clock = share, burst, clock
        self._left = burst  # seconds; negative after work that took longer than there was left
        self._counted_at = clock()

    @property
    def is_left(self) -> bool:
        """Whether work may begin now."""
        now = self._clock()
        self._left = min(self._burst, self._left + self._share * (now - self._counted_at))
        self._counted_at = now
        return self._left > 0

    @contextmanager
    def spend(self) -> Iterator[None]:
        """Count the time of a `with` block, also of one that fails."""
        started = self._clock()
        try:
            yield
        finally:
            self._left -= self._clock() - started


class Speed:
    """Characters per second over the last steps: an exponential mean, which forgets after some `horizon` seconds."""

    def __init__(self, horizon: float = SPEED_SECONDS) -> None:
        self._horizon = horizon
        self._characters = 0.0
        self._seconds = 0.0

    @property
    def per_second(self) -> float:
        """The rate; 0 before the first step."""
        return self._characters / self._seconds if self._seconds else 0.0

    def add(self, characters: int, seconds: float) -> None:
        """Count one more step."""
        decay = math.exp(-seconds / self._horizon)
        self._characters = decay * self._characters + characters
        self._seconds = decay * self._seconds + seconds
