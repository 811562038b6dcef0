"""An exception in the engine: its text and a log on the screen, the curves stay, and the weights are kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from engine.runs import checkpoint
from engine.runs.reader import RunReader
from engine.runs.writer import CHECKPOINT, LOG
from tests.e2e.boxes import boxes
from tests.e2e.program import PHYSICS, environment, steps
from tests.e2e.terminal import Terminal

FAULT = """
import sys
from engine.training.trainer import Trainer
from tui.cli import main

step = Trainer.step

def faulty(trainer):
    if trainer.steps == 200:
        raise ArithmeticError("the \\x1b[31mcounter\\x1b[0m [b]ran over[/b]")
    return step(trainer)

Trainer.step = faulty
sys.exit(main(sys.argv[1:]))
"""
PROGRAM = (sys.executable, "-P", "-c", FAULT)


def test_the_dashboard_stays_and_says_what_happened(tmp_path: Path) -> None:
    terminal = Terminal([*PROGRAM, *PHYSICS, "--run", "it"], cwd=tmp_path, environment=environment())
    try:
        terminal.until_shown("✗ failed")
        terminal.until(lambda: "ArithmeticError: the ␛[31mcounter␛[0m [b]ran over[/b]" in terminal.words, "the reason")
        assert LOG in terminal.words
        terminal.until(lambda: len(boxes(terminal)) == 5, "all panes")  # the banner moves them, a frame later perhaps
        assert terminal.step == 200
        terminal.settle()
        terminal.type("q")  # there is nothing to ask
        assert terminal.wait() == 0
        terminal.assert_left_clean()
    finally:
        terminal.close()
    assert "Traceback" in (tmp_path / "it" / LOG).read_text()
    assert RunReader(tmp_path / "it").state == "failed"
    assert steps(tmp_path / "it")[-1] == 200
    checkpoint.read(tmp_path / "it" / CHECKPOINT)


def test_headless_says_so_and_exits_with_1(tmp_path: Path) -> None:
    result = subprocess.run(
        [*PROGRAM, *PHYSICS, "--run", "it", "--headless"], cwd=tmp_path, capture_output=True, env=environment()
    )
    assert result.returncode == 1
    assert b"failed at step 200" in result.stdout.splitlines()[-1]
    assert b"ArithmeticError" in result.stdout.splitlines()[-1]
    assert b"Traceback" not in result.stdout + result.stderr
    assert "Traceback" in (tmp_path / "it" / LOG).read_text()
