"""Workers seen from the runner: started with a clean environment, asked in turn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from engine.bench.contenders import Contender
from engine.bench.workload import Workload

THREAD_COUNTS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


class ContenderFailedError(Exception):
    """A worker ended early; the text is the last line that it wrote."""


def clean_environment(environment: Mapping[str, str], threads: int | None = None) -> dict[str, str]:
    """`environment` without any setting of a BLAS or of OpenMP, then, if given, one number of threads for all."""
    kept = {name: value for name, value in environment.items() if not name.startswith(("OPENBLAS_", "OMP_", "MKL_"))}
    root = str(Path(__file__).parents[2])  # works from a source tree as from an installed package
    path = os.pathsep.join(filter(None, (root, kept.get("PYTHONPATH"))))
    counts = {} if threads is None else dict.fromkeys(THREAD_COUNTS, str(threads))
    return {**kept, **counts, "PYTHONPATH": path, "JAX_PLATFORMS": "cpu"}


class Worker:
    """A contender in its own process, ready once this is made: imported, compiled, warm.

    `checks` are the numbers its first calls gave, `machine`, `versions` and
    `blas_threads` what it found around it.
    """

    def __init__(self, contender: Contender, task: str, workload: Workload, threads: int) -> None:
        command = [sys.executable, "-P", "-m", "engine.bench.worker", contender.name, "--task", task]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (as long as the process)
        self._process = subprocess.Popen(
            [*command, *workload.arguments(), "--threads", str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=clean_environment(os.environ, threads),
            text=True,
        )
        try:
            found = self._answer()
        except BaseException:
            self.close()
            raise
        self.checks: list[float] = found["checks"]
        self.machine: dict[str, Any] = found["machine"]
        self.blas_threads: int = found["blas_threads"]
        self.versions: dict[str, str] = found["versions"]

    def milliseconds(self, what: str, seconds: float) -> float:
        """The median time of `what`, `task` or `floor`, measured for so many seconds."""
        assert self._process.stdin is not None
        print(what, seconds, file=self._process.stdin, flush=True)
        return float(self._answer())

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
                stream.close()
        self._process.kill()
        self._process.wait()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
