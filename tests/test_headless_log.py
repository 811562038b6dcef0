"""What a run without a screen prints into a file: few lines, each with the time of day."""

from __future__ import annotations

import re
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.e2e.program import PATIENCE, PHYSICS, PROGRAM, environment
from tui.cli.headless import LOG_SECONDS, _now_and_then


class Kept:
    """Keeps lines instead of printing them."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def row(step: int, **measured: float) -> dict[str, Any]:
    return {"step": step, "loss": 1.5, "lr": 0.002, "grad_norm": 0.5, "chars_per_second": 9000, **measured}


def test_a_line_comes_at_each_validation_and_else_after_ten_seconds() -> None:
    kept, passed = Kept(), [0.0]
    show = _now_and_then(kept, lambda: datetime(2026, 5, 4, 3, 2, 1), lambda: passed[0])  # type: ignore[arg-type]
    for step in range(10, 60, 10):
        show(row(step))
        passed[0] += LOG_SECONDS / 2
    show(row(60, val_loss=1.6, val_loss_se=0.01))
    show(row(70))
    assert [line.split("  loss")[0] for line in kept.lines] == [
        f"2026-05-04 03:02:01  step {step:>7}" for step in (10, 30, 50, 60)
    ]


def test_a_file_gets_the_clock_and_a_pipe_every_line(tmp_path: Path) -> None:
    command = [*PROGRAM, *PHYSICS, "--headless", "--steps", "50", "--run"]
    with (tmp_path / "log").open("wb") as log:
        subprocess.run([*command, "filed"], cwd=tmp_path, env=environment(), stdout=log, timeout=PATIENCE, check=True)
    lines = (tmp_path / "log").read_text().splitlines()[1:-1]
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  step ", line) for line in lines)
    assert re.search(r"step +50  loss \S+  val ", lines[-1])
    piped = subprocess.run(
        [*command, "piped"], cwd=tmp_path, env=environment(), capture_output=True, timeout=PATIENCE, check=True
    )
    assert [line.split()[1] for line in piped.stdout.decode().splitlines()[1:-1]] == ["10", "20", "30", "40", "50"]
