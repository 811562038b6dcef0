"""Headless training whose output is not read any more: nothing that was trained is lost."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from engine.runs import checkpoint
from engine.runs.reader import RunReader
from engine.runs.writer import CHECKPOINT
from tests.e2e.program import PATIENCE, PROGRAM, SMALL, environment

TRAIN = (*PROGRAM, "train", "physics", "--headless", "--run", "run", *SMALL)


def test_when_the_reader_leaves_the_run_is_saved_and_ends(tmp_path: Path) -> None:
    process = subprocess.Popen(
        TRAIN, cwd=tmp_path, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    while b"step" not in process.stdout.readline():
        pass
    process.stdout.close()
    assert process.wait(PATIENCE) == 0
    assert process.stderr.read() == b""
    process.stderr.close()
    run = RunReader(tmp_path / "run")
    assert run.state == "stopped"
    assert checkpoint.read(run.path / CHECKPOINT)[1]["steps"] == run.status.step > 10


def test_a_terminal_that_goes_without_hanging_up_keeps_nothing_from_its_end(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [*TRAIN, "--steps", "400"],
        cwd=tmp_path,
        env=environment(TERM="xterm"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    os.read(ours, 1)  # its bar
    os.close(ours)
    assert process.wait(PATIENCE) == 0
    assert RunReader(tmp_path / "run").state == "finished"
