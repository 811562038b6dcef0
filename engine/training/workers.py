"""Starts the worker processes of a run: as many as the settings ask for, or fewer where the system refuses some."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np

from engine.config import Config
from engine.training import barrier
from engine.training.process_group import ProcessGroup
from engine.training.replica import Replica, divides_units
from engine.training.worker import Worker, nameless_file


class Started(NamedTuple):
    """What `start_workers` has started."""

    replica: Replica  # of this process, which is the group's first one
    workers: list[Worker]  # the other processes
    refusal: str  # why there are fewer of them than the settings ask for; empty if there are not


def start_workers(
    config: Config, vocabulary_size: int, dtype: np.dtype[Any], validation: tuple[int, int] | None
) -> Started:
    """Start the worker processes that the settings ask for, one less than processes share the work.

    `validation` is the shape (T, B) of the validation windows, None if there are none. With dropout no worker is
    started, because one random state draws all masks.
    """
    refusal = ""
    for size in range(1 if config.dropout else min(config.workers, config.batch), 1, -1):
        try:
            return Started(*_start_group(config.replace(workers=size), vocabulary_size, dtype, validation), refusal)
        except OSError as error:  # no more processes, descriptors or memory are allowed
            refusal = error.strerror or str(error)
    return Started(Replica(config, vocabulary_size, dtype, ProcessGroup(), validation), [], refusal)


def _start_group(
    config: Config, vocabulary_size: int, dtype: np.dtype[Any], validation: tuple[int, int] | None
) -> tuple[Replica, list[Worker]]:
    """Start `config.workers` − 1 worker processes. Raises `OSError` if the system refuses one; then none is left."""
    size = config.workers
    workers: list[Worker] = []
    with ExitStack() as on_failure, nameless_file() as file:
        pipes = None if barrier.KEEPS_ORDER else barrier.make_pipes(size)
        group = ProcessGroup(0, size, file.fileno(), pipes)
        divided = pipes is None and divides_units(config, size)  # a pipe is too slow for every time step
        replica = Replica(config, vocabulary_size, dtype, group, validation, divided=divided)
        for rank in range(1, size):
            worker = Worker(
                config,
                vocabulary_size,
                dtype.name,
                validation,
                rank=rank,
                file=file.fileno(),
                pipes=pipes,
                divided=divided,
            )
            on_failure.callback(worker.close)
            workers.append(worker)
        on_failure.pop_all()

    def check() -> None:
        for worker in workers:
            worker.check()

    group.check = check
    return replica, workers
