"""What more cores would give: the work of one process of a group, without the others.

A machine with two cores cannot show how fast sixteen are. But all processes of a group do the same at the same time, so
a step takes as long as one of them works, and waits. The work of one of n processes is measured here, on one core: its
share of the batch, its part of the sum of n gradients and of the optimiser, and what each process does for itself and
no group divides, such as rebuilding the working matrices and calling NumPy. What is not measured is the waiting: three
barriers a step, each some 0.2 µs for every other process, and the memory that all cores share. Through it go 3·n·P
numbers a step: each process writes the gradients of all P parameters, they are read once, and each process reads all P
parameters when they are new. Always the batch is divided here, also where a run would divide the units of a layer.

The least processor time of a step is taken: it changes little when other programs run too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle
from time import thread_time

import numpy as np

from engine.bench.measurement import timed
from engine.bench.numpy_contender import settings
from engine.bench.results import Measure, Ratio, Results
from engine.bench.workload import LEARNING_RATE, Workload
from engine.network.parameters import Parameters
from engine.training.cores import set_threads
from engine.training.process_group import ProcessGroup
from engine.training.replica import Replica

PROCESSES = (1, 2, 4, 8, 16)
NETWORKS = (Workload("gru", 1, 128, 32), Workload("gru", 2, 256, 50), Workload("lstm", 1, 512, 64))


class OneOfMany(ProcessGroup):
    """A group of `size` processes of which only the first exists: it does its share, and waits for no other."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size


def one_of(processes: int, workload: Workload) -> Callable[[], None]:
    """A function that does what one of that many processes does in a training step."""
    replica = Replica(settings(workload), workload.vocabulary, np.float32, OneOfMany(processes))
    replica.parameters.load(workload.parameters().views)
    replica.model.refresh()
    windows = cycle(workload.windows())

    def step() -> None:
        replica.prepare(*next(windows), LEARNING_RATE, fresh=False)
        replica.step()

    return step


def more_cores(
    results: Results,
    *,
    seconds: float,
    progress: Callable[[str], None],
    networks: Sequence[Workload] = NETWORKS,
) -> None:
    """Add the milliseconds of a step's work for one of n processes, beside those of a process alone."""
    set_threads(1)
    for workload in networks:
        progress(f"more cores: {workload}")
        alone = None
        for processes in PROCESSES:
            if processes > workload.batch:
                break
            milliseconds = min(timed(one_of(processes, workload), seconds, thread_time))
            alone = alone or milliseconds
            megabytes = 4 * 3 * processes * Parameters.size(workload.architecture()) / 1e6
            faster = alone / milliseconds
            what = f"work of one of {processes} processes, {workload}: {megabytes:.1f} MB shared"
            results.measures.append(Measure(what, milliseconds, "ms", "alone", alone, Ratio(faster, faster, faster)))
