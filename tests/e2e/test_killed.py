"""`kill -9`: the next start says so and goes on from the last checkpoint, as if nothing had been."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from engine.runs.logs import read_rows
from engine.runs.reader import RunReader
from tests.e2e.conftest import Open, Start
from tests.e2e.program import PHYSICS, run, steps
from tests.waiting import wait_for

STEPS = "700"
SAID = "crashed before; it goes on from its checkpoint at step"


def losses(run_directory: Path) -> list[tuple[int, float, float | None]]:
    return [(row["step"], row["loss"], row.get("val_loss")) for row in read_rows(run_directory / "metrics.jsonl")]


def test_a_headless_run_that_was_killed_ends_as_one_that_was_not(start: Start, tmp_path: Path) -> None:
    process = start(*PHYSICS, "--run", "killed", "--headless", "--steps", STEPS).process
    wait_for(lambda: len(steps(tmp_path / "killed")) > 5)
    process.kill()
    process.wait()
    with (tmp_path / "killed" / "metrics.jsonl").open("ab") as log:
        log.write(b'{"step": 71, "los')  # half a line, as a crash may leave it
    assert RunReader(tmp_path / "killed").state == "crashed"

    resumed = run("train", "--resume", "killed", "--headless", cwd=tmp_path)
    assert resumed.returncode == 0
    assert SAID in resumed.stderr.decode()
    straight = run(*PHYSICS, "--run", "straight", "--headless", "--steps", STEPS, cwd=tmp_path)
    assert straight.returncode == 0
    assert losses(tmp_path / "killed") == losses(tmp_path / "straight")
    assert not run("train", "--resume", "killed", "--headless", "--steps", "710", cwd=tmp_path).stderr


def test_the_dashboard_says_that_a_run_was_killed(open_terminal: Open, tmp_path: Path) -> None:
    run_directory = tmp_path / "it"
    terminal = open_terminal(*PHYSICS, "--run", "it")
    terminal.until(lambda: terminal.step > 50, "some steps")
    terminal.type("s")
    terminal.until_shown("Saved to")
    at = max(steps(run_directory))
    terminal.until(lambda: max(steps(run_directory)) > at + 100, "steps that are not saved")
    os.kill(terminal.process.pid, signal.SIGKILL)
    terminal.process.wait()
    lost = max(steps(run_directory))

    terminal = open_terminal("train", "--resume", "it")
    terminal.until_shown("crashed before")
    terminal.until(lambda: max(steps(run_directory)) > lost, "training")
    terminal.type("qs")
    assert terminal.wait() == 0
    reported = steps(run_directory)
    assert reported == sorted(set(reported))
    assert set(range(10, reported[-1] + 1, 10)) <= set(reported)
