"""A contender in a process of its own, with a clean environment: the benchmark's side, and the process's side.

The process prepares one workload and writes a line of JSON about it. Then it answers each line that it reads:
`task SECONDS` with the median time of its task in milliseconds, `floor SECONDS` with that of the matrix products alone,
`learn STEPS` with the seconds that STEPS training steps took and the loss on the held-out text after them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from engine.bench.contenders import CONTENDERS, LEARNING, Contender
from engine.bench.floor import floor_ms
from engine.bench.measurement import WARM_UP, describe, resident_memory, timed
from engine.bench.workload import Workload
from engine.errors import closed_on_failure
from engine.training.cores import blas_info
from engine.training.worker import THREAD_VARIABLES

PROCESSOR_VARIABLES = {"OPENBLAS_CORETYPE", "MKL_ENABLE_INSTRUCTIONS"}


class ContenderFailedError(Exception):
    """A contender's process ended early; the text is the last line that it wrote."""


def clean_environment(environment: Mapping[str, str], threads: int | None = None) -> dict[str, str]:
    """`environment` without settings of a BLAS or of OpenMP, but with the number of `threads` if given.

    What names the processor for which to compute stays: so one machine can stand for another.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if name in PROCESSOR_VARIABLES or not name.startswith(("OPENBLAS_", "OMP_", "MKL_"))
    }
    root = str(Path(__file__).parents[2])  # works from a source tree as from an installed package
    path = os.pathsep.join(filter(None, (root, kept.get("PYTHONPATH"))))
    counts = {} if threads is None else dict.fromkeys(THREAD_VARIABLES, str(threads))
    return {**kept, **counts, "PYTHONPATH": path, "JAX_PLATFORMS": "cpu"}


class ContenderProcess:
    """A contender in its own process; when this object is made, it has imported, compiled and done its first calls.

    `checks` are the numbers that these calls returned, `memory` the bytes that it has taken for them; `machine`,
    `versions` and `blas_threads` are what the process found. Raises `ContenderFailedError` if it ended early.
    """

    def __init__(self, contender: Contender, task: str, workload: Workload, threads: int) -> None:
        settings = [contender.name, task, dataclasses.asdict(workload), threads]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (as long as the process)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "engine.bench.contender_process", json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=clean_environment(os.environ, threads),
            text=True,
        )
        with closed_on_failure(self.close):
            found = self._answer()
        self.checks: list[float] = found["checks"]
        self.machine: dict[str, Any] = found["machine"]
        self.blas_threads: int = found["blas_threads"]
        self.versions: dict[str, str] = found["versions"]
        self.memory: int = found["memory"]

    def milliseconds(self, what: str, seconds: float) -> float:
        """The median time of `what`, "task" or "floor", measured for `seconds`."""
        self._ask(what, seconds)
        return float(self._answer())

    def learn(self, steps: int) -> tuple[float, float]:
        """Make training steps: their seconds, and the loss on the held-out text after them, nats per character."""
        self._ask("learn", steps)
        seconds, loss = self._answer()
        return float(seconds), float(loss)

    def _ask(self, *words: object) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended: `_answer` finds out why
            print(*words, file=self._process.stdin, flush=True)

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().strip().splitlines()
        raise ContenderFailedError(said[-1] if said else f"it ended with code {self._process.returncode}")

    def close(self) -> None:
        """End the process."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # what an ended process was asked is still in the buffer
                    stream.close()
        self._process.kill()
        self._process.wait()
        self._errors.close()


def main() -> None:
    """Serve one workload until standard input ends."""
    name, task, shape, threads = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints is no answer
    if hasattr(os, "sched_setaffinity"):  # the one limit that every library respects, XLA's thread pool too
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    contender, workload = CONTENDERS[name], Workload(**shape)
    prepare: Any = contender.task(task)
    before = resident_memory()
    call = prepare(workload, threads)
    found = {
        "checks": [] if task == LEARNING else [call() for _ in range(WARM_UP)],
        "memory": resident_memory() - before,
        "versions": {contender.package: version(contender.package)},
        "machine": describe(),
        "blas_threads": int(blas_info().get("num_threads", 1)),
    }
    print(json.dumps(found), file=answers)
    for line in sys.stdin:
        what, amount = line.split()
        if what == "floor":
            answer = floor_ms(workload, threads, float(amount))
        elif what == "learn":
            answer = call(int(amount))
        else:
            answer = statistics.median(timed(call, float(amount)))
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
