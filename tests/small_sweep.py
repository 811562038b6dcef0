"""A sweep of networks so small that a test of it takes seconds, as a person starts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from engine.runs.logs import read_rows
from engine.runs.reader import RunReader
from engine.sweep.study import read_study
from tests.finished_run import TEXT

PROGRAM = (sys.executable, "-P", "-m", "tui")
SMALL = ("--hidden", "8", "--embedding", "4", "--batch", "2", "--seq", "10")
OF_TIME = ("time", "chars_per_second")


def write_text(directory: Path) -> Path:
    """A text in `directory`."""
    path = directory / "fox.txt"
    path.write_text(TEXT * 60)
    return path


def start_sweep(*arguments: object, cwd: Path) -> subprocess.Popen[str]:
    """`charrnn-tui sweep` in a process of its own."""
    command = [*PROGRAM, "sweep", *map(str, arguments), "--headless"]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str], code: int = 0) -> str:
    """What a sweep has printed when it has ended with this exit code."""
    out, errors = process.communicate(timeout=300)
    assert process.returncode == code, out + errors
    return out + errors


def losses(run: Path) -> list[dict[str, Any]]:
    """The rows of a run's metrics, without those numbers that tell the time."""
    return [
        {name: value for name, value in row.items() if name not in OF_TIME} for row in read_rows(run / "metrics.jsonl")
    ]


def results(sweep: Path) -> dict[str, Any]:
    """All that a sweep has found, except for times: of each run its state, its rows and its weights."""
    study = read_study(sweep)
    return {
        run.name: (
            run.state,
            run.reason,
            run.steps,
            losses(study.directory(run)),
            RunReader(study.directory(run)).weights().flat.tobytes(),
        )
        for run in study.runs
    }
