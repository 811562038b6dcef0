"""How a run uses the cores: measured once for each network, then remembered, so that a seed repeats its bits."""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from engine.config import Config
from engine.errors import ConfigError
from engine.network.parameters import Parameters
from engine.text.cache import default_directory
from engine.training import memory
from engine.training.process_group import SHARED_MEMORY_IS_ORDERED
from engine.training.trainer import Trainer

SLICE_SECONDS = 0.06  # that each way is measured before it is the next one's turn
ROUNDS, ATTEMPTS = 3, 3
MEMORY = "use-of-cores.json"
MOMENT = 3 * 10**9  # multiplications forward: a fifth of a second for a step, or so
SHORTEST, FEWEST = 10, 64  # steps and sequences that are measured at least, where there are so many
WORTH_IT = 0.85  # more than one core must bring the time of a step down to this share: the others have uses too


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
    cores = usable_cores()
    require(config, cores)
    if config.threads or config.workers:
        return config.replace(threads=config.threads or 1, workers=min(config.workers or 1, config.batch))
    possible = ways(config, cores)
    while len(possible) > 1 and not memory.has_room(config, vocabulary_size, [workers for _, workers in possible]):
        possible.pop()
    shape = f"{config.cell} {config.layers}x{config.hidden} b{config.batch} t{config.seq} v{vocabulary_size}"
    inputs = "onehot" if config.input == "onehot" else f"d{config.embedding}"
    key = f"{blas()} {cores} cores, at most {possible[-1]}: {shape} {inputs}"
    directory = default_directory()
    known = _remembered(directory)
    best = next((way for way in possible if list(way) == known.get(key)), None)
    if best is None:
        best = measure(smaller(config, vocabulary_size), vocabulary_size, possible)
        if directory is not None:
            known = _remembered(directory)  # others may have measured meanwhile
            with suppress(OSError):
                directory.mkdir(parents=True, exist_ok=True)
                temporary = directory / f"{MEMORY}.{os.getpid()}"
                temporary.write_text(json.dumps({**known, key: best}, indent=1), "utf-8")
                temporary.replace(directory / MEMORY)
    return config.replace(threads=best[0], workers=best[1])


def require(config: Config, cores: int) -> None:
    """Raise `ConfigError` where `config` asks for more than the `cores` can do, or for what processes cannot share."""
    problems: dict[str, str] = {}
    if config.workers > 1 and config.dropout:
        problems["workers"] = f"{config.workers} cannot share a network with dropout; choose 1, and more threads"
    if config.workers > 1 and not SHARED_MEMORY_IS_ORDERED:
        problems["workers"] = f"{config.workers} cannot share the batch on this processor; choose 1, and more threads"
    for name, count in (("workers", config.workers), ("threads", config.threads)):
        if count > cores:
            problems[name] = f"{count} would wait for one another on this machine's {cores} cores; choose fewer"
    if problems:
        raise ConfigError(problems)


def smaller(config: Config, vocabulary_size: int) -> Config:
    """`config` with a window so short that a step takes a moment: its time is linear in both of its sides."""
    weights = Parameters.size(config.architecture(vocabulary_size))
    steps = max(SHORTEST, MOMENT // (weights * config.batch))
    sequences = max(FEWEST, MOMENT // (weights * SHORTEST))
    return config.replace(seq=min(config.seq, steps), batch=min(config.batch, sequences))


def ways(config: Config, cores: int) -> list[tuple[int, int]]:
    """How `cores` may be used, as (BLAS threads, processes), the simplest first; threads where processes cannot."""
    counts = [count for count in (2, 4, 8) if count <= cores]
    if SHARED_MEMORY_IS_ORDERED and not config.dropout:
        return [(1, 1), *((1, count) for count in counts if count <= config.batch)]
    return [(1, 1), *((count, 1) for count in counts)]


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
    """The fastest of the ways (threads, workers), or the first where none beats it clearly.

    Steps on random text are timed in turns, so that a busy moment does not fall on one way alone. What a quarter
    of them keep to counts: a few are slow by accident, but whoever waits for a busy core makes most of them slow.
    Where none wins it may have been such a moment, and all are timed some more.
    """
    rng = np.random.default_rng(0)
    codes = rng.integers(0, vocabulary_size, 4 * config.batch * config.seq + 1)
    with ExitStack() as stack:
        trainers: dict[tuple[int, int], Trainer] = {}
        for threads, workers in possible:
            with suppress(OSError, RuntimeError):  # where no further process can be started, one will do
                way = config.replace(threads=threads, workers=workers)
                trainer = Trainer(way, vocabulary_size, codes, codes[:0])
                stack.callback(trainer.close)
                trainer.step()
                trainers[threads, workers] = trainer
        taken: dict[tuple[int, int], list[float]] = {way: [] for way in trainers}
        for _ in range(ATTEMPTS):
            _time_in_turns(trainers, taken)
            usual = {way: sorted(times)[len(times) // 4] for way, times in taken.items()}
            best = min(usual, key=lambda way: usual[way])
            if len(usual) == 1 or usual[best] < WORTH_IT * usual[possible[0]]:
                return best
    return possible[0]


def _time_in_turns(trainers: dict[tuple[int, int], Trainer], taken: dict[tuple[int, int], list[float]]) -> None:
    """Add the seconds of many steps of each trainer to `taken`."""
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
    """How long one step takes."""
    start = time.perf_counter()
    trainer.step()
    return time.perf_counter() - start
