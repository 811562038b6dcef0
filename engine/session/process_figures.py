"""How much processor time and memory a run takes, with the processes that share its work."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from engine.errors import UserError
from engine.runs.files import read_file
from engine.session.pace import Budget

SECONDS = 2.0  # between two looks at least
MEMORY_SHARE = 0.0005  # of the time: the system adds up a process's memory in 1 ms, with PyTorch in it in 7 ms
PROC = Path("/proc")  # of Linux
LARGEST = 1 << 16  # bytes of a file there


class ProcessFigures:
    """The figures of this process and of its workers, whose ids `workers` gives.

    Where the system has no `/proc`, they are those of this process alone, and the memory is the most that it has had.
    """

    def __init__(
        self,
        workers: Callable[[], Iterable[int]],
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.process_time,
    ) -> None:
        self._workers, self._clock, self._used = workers, clock, used
        self._looked_at, self._used_then = clock(), self._used_by_all()
        self.cores: float | None = None  # in use on average between the last two looks; None before the second look
        self.memory = memory_of(os.getpid())  # bytes
        self._for_memory = Budget(MEMORY_SHARE, clock)

    def look(self) -> None:
        """Renew the figures, unless that was done less than `SECONDS` ago; the memory as `MEMORY_SHARE` allows."""
        now = self._clock()
        elapsed = now - self._looked_at
        if elapsed < SECONDS:
            return
        used = self._used_by_all()
        self.cores = max(used - self._used_then, 0.0) / elapsed  # a worker that has ended takes its time along
        self._looked_at, self._used_then = now, used
        if self._for_memory.allows:
            with self._for_memory.spend():
                self.memory = sum(memory_of(process) for process in (os.getpid(), *self._workers()))

    def _used_by_all(self) -> float:
        return self._used() + sum(map(seconds_used, self._workers()))


def seconds_used(process: int) -> float:
    """The processor time that another process has used; 0 where the system does not say.

    See proc(5), /proc/PID/stat: fields 14 and 15, in clock ticks; the name in field 2 may hold anything.
    """
    with contextlib.suppress(OSError, UserError, ValueError, IndexError):
        fields = read_file(PROC / str(process) / "stat", LARGEST).decode(errors="replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def memory_of(process: int) -> int:
    """The bytes of memory that `process` takes; of a page that n processes share, 1/n (its "proportional set size").

    See proc(5), /proc/PID/smaps_rollup. Where there is none, the most that this process has taken, 0 for another.
    """
    with contextlib.suppress(OSError, UserError, ValueError):
        for line in read_file(PROC / str(process) / "smaps_rollup", LARGEST).decode().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    if process != os.getpid():
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
