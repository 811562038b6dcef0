"""How a run uses the cores: measured once for each network, then remembered, so that a seed repeats its bits."""

from __future__ import annotations

import json
import os
import statistics
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from engine.config import Config
from engine.encoding_cache import default_directory
from engine.training import Trainer

MEASURE_SECONDS = 0.12  # for each number of threads, after one step of warm-up
MEMORY = "cores.json"
WORTH_IT = 0.85  # more than one core must bring the time of a step down to this share: the others have uses too
CLEARLY = 0.97  # and one way to use them is better than another from here on


def set_threads(count: int) -> None:
    """Let the BLAS use `count` threads from now on, in the whole process."""
    threadpool_limits(limits=count, user_api="blas")


def blas() -> str:
    """The BLAS and its kernel, as "openblas 0.3.30 SkylakeX"."""
    for library in threadpool_info():
        if library["user_api"] == "blas":
            parts = (library["internal_api"], library.get("version"), library.get("architecture"))
            return " ".join(str(part) for part in parts if part)
    return "unknown BLAS"


def choose(config: Config, vocabulary_size: int) -> Config:
    """`config` with the numbers of BLAS threads and of processes that are fastest for this network on this machine.

    Where one of them is given, the other is 1 unless it is given too. The choice is kept in the cache
    directory: the same seed gives the same bits only under the same numbers.
    """
    if config.threads or config.workers:
        return config.replace(threads=config.threads or 1, workers=config.workers or 1)
    cores = usable_cores()
    possible = ways(config, cores)
    shape = f"{config.cell} {config.layers}x{config.hidden} b{config.batch} t{config.seq} v{vocabulary_size}"
    key = f"{blas()} {cores} cores: {shape}"
    directory = default_directory()
    known = _remembered(directory)
    best = next((way for way in possible if list(way) == known.get(key)), None)
    if best is None:
        best = measure(config, vocabulary_size, possible)
        if directory is not None:
            with suppress(OSError):
                directory.mkdir(parents=True, exist_ok=True)
                temporary = directory / f"{MEMORY}.{os.getpid()}"
                temporary.write_text(json.dumps({**known, key: best}, indent=1), "utf-8")
                temporary.replace(directory / MEMORY)
    return config.replace(threads=best[0], workers=best[1])


def ways(config: Config, cores: int) -> list[tuple[int, int]]:
    """How `cores` may be used, as (BLAS threads, processes), the simplest first."""
    counts = [count for count in (2, 4, 8) if count <= cores]
    shared = [(1, count) for count in counts if count <= config.batch and not config.dropout]
    return [(1, 1), *shared, *((count, 1) for count in counts)]


def _remembered(directory: Path | None) -> dict[str, list[int]]:
    if directory is not None:
        with suppress(OSError, ValueError):
            known = json.loads((directory / MEMORY).read_text("utf-8"))
            if isinstance(known, dict):
                return known
    return {}


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def measure(config: Config, vocabulary_size: int, possible: list[tuple[int, int]]) -> tuple[int, int]:
    """The first of the ways (threads, workers) that no later one beats clearly, by timing steps on random text."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, vocabulary_size, 4 * config.batch * config.seq + 1)
    best, best_seconds = possible[0], float("inf")
    for threads, workers in possible:
        set_threads(threads)
        trainer = Trainer(config.replace(threads=threads, workers=workers), vocabulary_size, codes, codes[:0])
        seconds = median_step(trainer)
        trainer.close()
        if seconds < (WORTH_IT if best == possible[0] else CLEARLY) * best_seconds:
            best, best_seconds = (threads, workers), seconds
    return best


def median_step(trainer: Trainer) -> float:
    """Seconds of a step: the median, because threads that wait for a busy core make most steps slow, not all."""
    trainer.step()
    taken: list[float] = []
    end = time.perf_counter() + MEASURE_SECONDS
    while not taken or time.perf_counter() < end:
        start = time.perf_counter()
        trainer.step()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)
