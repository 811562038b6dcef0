"""How a call is timed, and what machine it was timed on: processor, BLAS and its kernel, versions."""

from __future__ import annotations

import os
import platform
import resource
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from engine.training.cores import blas_info

WARM_UP = 3  # calls


def timed(call: Callable[[], object], seconds: float, clock: Callable[[], float] = perf_counter) -> list[float]:
    """Milliseconds of each call: as many as fit into `seconds`, at least one, after `WARM_UP` that do not count.

    They are read off `clock`, which may also be one of processor time.
    """
    for _ in range(WARM_UP):
        call()
    times: list[float] = []
    end = perf_counter() + seconds
    while not times or perf_counter() < end:
        start = clock()
        call()
        times.append((clock() - start) * 1e3)
    return times


def load() -> float | None:
    """The load average of the last minute, how many programs wanted to run; None where the system does not give it."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def resident_memory() -> int:
    """Bytes of memory that this process has; where the system has no /proc, the most that it has had at once."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if platform.system() == "Darwin" else peak << 10
    return pages * resource.getpagesize()


def describe() -> dict[str, Any]:
    """The machine as seen from this process, in plain values."""
    blas = blas_info()
    return {
        "cpu": _processor(),
        "blas": f"{blas.get('internal_api', 'unknown')} {blas.get('version') or ''}".strip(),
        "kernel": blas.get("architecture") or "unknown",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def _processor() -> str:
    """The processor's name, as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
