"""The program as a person starts it, with a network so small that a test of it takes seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from engine.runs import checkpoint
from engine.runs.logs import read_rows
from engine.runs.reader import RunReader
from engine.runs.writer import CHECKPOINT

PROGRAM = (sys.executable, "-P", "-m", "tui")
SMALL = ("--hidden", "16", "--batch", "4", "--seq", "16", "--threads", "1")
PHYSICS = ("train", "physics", *SMALL)
PATIENCE = 120.0  # seconds that a loaded machine may take; nothing waits for them to pass


def environment(**changes: str) -> dict[str, str]:
    """This process's, without what would change how a screen is drawn."""
    ours = ("COLORTERM", "NO_COLOR", "TERM", "TERM_PROGRAM", "TMUX", "COLUMNS", "LINES")
    return {**{name: value for name, value in os.environ.items() if name not in ours}, **changes}


def run(
    *arguments: str | Path, cwd: Path, stdin: bytes = b"", patience: float = PATIENCE
) -> subprocess.CompletedProcess[bytes]:
    """One command to its end, without a terminal."""
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, input=stdin, capture_output=True, timeout=patience, env=environment(), start_new_session=True
    )


def steps(run_directory: Path) -> list[int]:
    """The steps that the log of a run has."""
    return [row["step"] for row in read_rows(run_directory / "metrics.jsonl")]


def assert_saved(run_directory: Path) -> None:
    """It was stopped in good order: what the checkpoint holds is as far as it got."""
    stored = RunReader(run_directory)
    _, meta = checkpoint.read(run_directory / CHECKPOINT)
    assert stored.state == "stopped"
    assert meta["steps"] == stored.status.step >= max(steps(run_directory)) > 0
    assert stored.pid is None
