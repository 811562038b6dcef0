"""What a measurement was made on: the processor, the BLAS with its kernel, threads, versions."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info


def load() -> float | None:
    """How many programs wanted to run, on average over the last minute; None where the system does not say."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def describe() -> dict[str, Any]:
    """The machine as seen from this process, in plain values."""
    blas = _blas()
    return {
        "cpu": _processor(),
        "blas": f"{blas.get('internal_api', 'unknown')} {blas.get('version') or ''}".strip(),
        "kernel": blas.get("architecture") or "unknown",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def blas_threads() -> int:
    """The number of threads that NumPy's BLAS uses now."""
    return int(_blas().get("num_threads", 1))


def _blas() -> dict[str, Any]:
    return next((info for info in threadpool_info() if info["user_api"] == "blas"), {})


def _processor() -> str:
    """The processor's name, as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
