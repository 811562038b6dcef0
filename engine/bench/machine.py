"""What a measurement was made on: the processor, the BLAS with its kernel, threads, versions."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info


def describe() -> dict[str, Any]:
    """The machine as seen from this process, in plain values."""
    blas: dict[str, Any] = next((info for info in threadpool_info() if info["user_api"] == "blas"), {})
    return {
        "cpu": _processor(),
        "blas": f"{blas.get('internal_api', 'unknown')} {blas.get('version') or ''}".strip(),
        "kernel": blas.get("architecture") or "unknown",
        "blas_threads": blas.get("num_threads"),
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
