"""How a call is timed, everywhere in the benchmark."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

WARM_UP = 3


def timed(call: Callable[[], object], seconds: float) -> list[float]:
    """Milliseconds of each call: as many as fit into `seconds`, at least one, after `WARM_UP` that do not count."""
    for _ in range(WARM_UP):
        call()
    times: list[float] = []
    end = perf_counter() + seconds
    while not times or perf_counter() < end:
        start = perf_counter()
        call()
        times.append((perf_counter() - start) * 1e3)
    return times
