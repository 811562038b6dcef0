"""How a run uses the cores: threads of the BLAS, or processes that share the batch.

The fastest way is measured once for each network and machine, and then remembered, because the same seed gives the same
bits only with the same numbers of threads and processes.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController, threadpool_info, threadpool_limits

from engine.config import Config
from engine.errors import ConfigError
from engine.network.parameters import Parameters
from engine.text.cache import default_directory, make_directory, open_private
from engine.training import memory
from engine.training.trainer import Trainer
from engine.typed_json import parse

SLICE_SECONDS = 0.06  # of one turn: each way is timed for so long, then the next one
ROUNDS = 3  # turns of each way in an attempt
ATTEMPTS = 3  # at most, if no way is clearly the fastest
FILE = "use-of-cores.json"  # in the cache directory: the choices that were measured
LARGEST = 1 << 20  # bytes of that file
MULTIPLICATIONS = 3 * 10**9  # in the forward pass of a measured step, which then takes some 0.2 s
SHORTEST, FEWEST = 10, 64  # T and B of a measured step are not cut below these
QUIET = 0.1  # of its time a group loses at most if no other program runs: a few hundredths, measured; beside one, more
WORTH_IT = 0.85  # more cores are used only if a step then takes less than this share of its time on one core


def set_threads(count: int) -> None:
    """Have the BLAS use `count` threads from now on."""
    threadpool_limits(limits=count, user_api="blas")


def blas() -> ThreadpoolController:
    """Every BLAS in this process, to set its threads for a while: `with found.limit(limits=1): …`.

    To find them takes milliseconds, so keep the result; a limit takes microseconds. One thread is for work beside
    somebody else's: a product that is divided waits for a thread that waits for a core, and for a tenth of a second
    after it that thread waits for the next product at full speed.
    """
    return ThreadpoolController().select(user_api="blas")


def blas_info() -> dict[str, Any]:
    """NumPy's BLAS as threadpoolctl sees it: `internal_api`, `version`, `architecture` (the kernel), `num_threads`."""
    return next((library for library in threadpool_info() if library["user_api"] == "blas"), {})


def choose(config: Config, vocabulary_size: int) -> Config:
    """`config` with the numbers of BLAS threads and of processes that are fastest for this network on this machine.

    If `config` gives only one of the numbers, the other is 1. If it gives neither, they are measured, and remembered in
    the cache directory, unless other programs used the cores meanwhile. Raises `ConfigError` for numbers that this
    machine or the other settings do not allow.
    """
    cores = usable_cores()
    require(config, cores)
    if config.threads or config.workers:
        return config.replace(threads=config.threads or 1, workers=min(config.workers or 1, config.batch))
    possible = ways(config, cores)
    while len(possible) > 1 and not memory.has_room(config, vocabulary_size, [workers for _, workers in possible]):
        possible.pop()
    shape = f"{config.cell} {config.layers}x{config.hidden} b{config.batch} t{config.seq} v{vocabulary_size}"
    inputs = "onehot" if config.input == "onehot" else f"d{config.embedding}"
    blas = blas_info()
    kernel = " ".join(str(blas.get(part) or "") for part in ("internal_api", "version", "architecture")).strip()
    key = f"{kernel} {cores} cores, at most {possible[-1]}: {shape} {inputs}"
    directory = default_directory()
    known = _remembered(directory)
    best = next((way for way in possible if list(way) == known.get(key)), None)
    if best is None:
        best, was_busy = measure(smaller(config, vocabulary_size), vocabulary_size, possible)
        if directory is not None and not was_busy:
            known = _remembered(directory)  # others may have measured meanwhile
            with suppress(OSError):
                make_directory(directory)
                temporary = directory / f"{FILE}.{os.getpid()}"
                temporary.touch(mode=0o600)
                temporary.write_text(json.dumps({**known, key: best}, indent=1), "utf-8")
                temporary.replace(directory / FILE)
    return config.replace(threads=best[0], workers=best[1])


def require(config: Config, cores: int) -> None:
    """Raise `ConfigError` if there are more threads or workers than `cores`, or workers that cannot share the batch."""
    problems: dict[str, str] = {}
    if config.workers > 1 and config.dropout:
        problems["workers"] = f"{config.workers} cannot share a network with dropout; choose 1, and more threads"
    for name, count in (("workers", config.workers), ("threads", config.threads)):
        if count > cores:
            problems[name] = f"{count} would wait for one another on this machine's {cores} cores; choose fewer"
    if problems:
        raise ConfigError(problems)


def smaller(config: Config, vocabulary_size: int) -> Config:
    """`config` with T and B cut so that a step takes some 0.2 s at most, but not below `SHORTEST` and `FEWEST`."""
    weights = Parameters.size(config.architecture(vocabulary_size))
    steps = max(SHORTEST, MULTIPLICATIONS // (weights * config.batch))
    sequences = max(FEWEST, MULTIPLICATIONS // (weights * SHORTEST))
    return config.replace(seq=min(config.seq, steps), batch=min(config.batch, sequences))


def ways(config: Config, cores: int) -> list[tuple[int, int]]:
    """The ways to use `cores`, as (BLAS threads, processes), the simplest first."""
    # With 16 processes a step would be 1.3 or 1.4 times as fast as with 8, at best (the table in engine/README.md).
    counts = [count for count in (2, 4, 8) if count <= cores]
    if not config.dropout:
        return [(1, 1), *((1, count) for count in counts if count <= config.batch)]
    return [(1, 1), *((count, 1) for count in counts)]


def _remembered(directory: Path | None) -> dict[str, list[int]]:
    if directory is not None:
        with suppress(OSError, ValueError):
            with open_private(directory / FILE) as file:
                known = parse(file.read(LARGEST))
            if isinstance(known, dict):
                return known
    return {}


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def measure(config: Config, vocabulary_size: int, possible: list[tuple[int, int]]) -> tuple[tuple[int, int], bool]:
    """The fastest of the `possible` ways (BLAS threads, processes), or the first if none is clearly faster.

    Beside it stands whether another program used a core meanwhile, so that on a quiet machine it may be another way.

    The ways are timed in turns, on random text, so that a busy moment of the machine does not slow down one way alone.
    Each way is judged by the lower quartile of its times: a few steps may be slow by accident, but on a core that other
    programs use, most steps are slow. If no way is clearly the fastest, the machine may have been busy, and all ways
    are timed again, up to `ATTEMPTS` times in all.
    """
    rng = np.random.default_rng(0)
    codes = rng.integers(0, vocabulary_size, 4 * config.batch * config.seq + 1)
    with ExitStack() as stack:
        trainers: dict[tuple[int, int], Trainer] = {}
        for threads, workers in possible:
            with suppress(OSError, RuntimeError, MemoryError):  # a way whose processes cannot be started is left out
                way = config.replace(threads=threads, workers=workers)
                trainer = Trainer(way, vocabulary_size, codes, codes[:0])
                stack.callback(trainer.close)
                trainer.step()
                trainer.contention.restart()  # without the first step, which waits until the processes have started
                if not trainer.refusal:
                    trainers[threads, workers] = trainer
        taken: dict[tuple[int, int], list[float]] = {way: [] for way in trainers}
        for _ in range(ATTEMPTS):
            _time_in_turns(trainers, taken)
            usual = {way: sorted(times)[len(times) // 4] for way, times in taken.items()}
            best = min(usual, key=lambda way: usual[way])
            if len(usual) == 1 or usual[best] < WORTH_IT * usual[possible[0]]:
                break
        else:
            best = possible[0]
        return best, any(trainer.contention.lost > QUIET for trainer in trainers.values())


def _time_in_turns(trainers: dict[tuple[int, int], Trainer], taken: dict[tuple[int, int], list[float]]) -> None:
    """Time many steps of each trainer, and add the seconds of each step to `taken`."""
    rounds = ROUNDS
    while rounds > 0:
        rounds -= 1
        for way, trainer in trainers.items():
            set_threads(way[0])
            warm_up = seconds_of(trainer)
            if warm_up > SLICE_SECONDS:  # a large network: its steps are long enough to compare a few
                rounds = min(rounds, 1)
            end = time.perf_counter() + SLICE_SECONDS
            taken[way].append(seconds_of(trainer))
            while time.perf_counter() < end:
                taken[way].append(seconds_of(trainer))


def seconds_of(trainer: Trainer) -> float:
    """Seconds that one step takes."""
    start = time.perf_counter()
    trainer.step()
    return time.perf_counter() - start
