"""A loss that is not a number, or far above guessing: said in a sentence, the last good weights kept."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from engine.runs import checkpoint
from engine.runs.reader import RunReader
from engine.runs.writer import CHECKPOINT, MODEL
from tests.e2e.conftest import Open
from tests.e2e.program import PHYSICS, run, steps
from tests.e2e.terminal import Terminal

NOT_A_NUMBER = ("--optimizer", "sgd", "--clip", "none", "--lr", "1e38")
EXPLODING = ("--optimizer", "sgd", "--clip", "none", "--lr", "50", "--cell", "rnn")


def assert_finite(run_directory: Path) -> None:
    for name in (CHECKPOINT, MODEL):
        arrays, _ = checkpoint.read(run_directory / name)
        numbers = [array for array in arrays.values() if array.dtype.kind == "f"]
        assert numbers
        assert all(np.isfinite(array).all() for array in numbers)


def learning_rate(terminal: Terminal) -> float:
    match = re.search(r"\blr ([\d.e+-]+)", terminal.text)
    return float(match[1]) if match else np.nan


def until_rate(terminal: Terminal, most: float) -> None:
    terminal.until(lambda: learning_rate(terminal) < most, f"a learning rate below {most}")


@pytest.mark.parametrize(("options", "reason"), [(NOT_A_NUMBER, "not a number"), (EXPLODING, "far above guessing")])
def test_headless_saves_the_last_good_weights_and_exits_with_1(
    tmp_path: Path, options: tuple[str, ...], reason: str
) -> None:
    result = run(*PHYSICS, *options, "--run", "it", "--headless", "--steps", "500", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (1, b"")
    last = result.stdout.decode().splitlines()[-1]
    how = rf"it: diverged at step \d+ after [\d:]+: .*{reason}.* at step \d+, learning rate .*good weights of step"
    assert re.search(how, last)
    assert_finite(tmp_path / "it")
    assert RunReader(tmp_path / "it").state == "diverged"
    sampled = run("sample", "it", "--length", "20", cwd=tmp_path)
    assert (sampled.returncode, sampled.stderr) == (0, b"")


def test_the_dashboard_says_so_and_goes_back_with_a_lower_rate(open_terminal: Open, tmp_path: Path) -> None:
    terminal = open_terminal(*PHYSICS, *EXPLODING, "--run", "it")
    terminal.until_shown("Diverged: ")
    terminal.until_shown("✗ diverged")
    assert "far above guessing" in terminal.text
    assert_finite(tmp_path / "it")
    rate = learning_rate(terminal)
    assert rate > 20
    for _ in range(10):
        terminal.until_shown("b go back")
        lower = learning_rate(terminal) * 0.6
        terminal.type("b")
        until_rate(terminal, lower)  # it may diverge again within milliseconds, before the screen shows that it trains
        terminal.until(lambda: "Diverged" in terminal.text or terminal.step > 300, "steps")
        if "Diverged" not in terminal.text:
            break
    assert learning_rate(terminal) < rate / 2
    at = terminal.step
    terminal.until(lambda: terminal.step > at + 100, "training")
    terminal.type("qs")
    assert terminal.wait() == 0
    terminal.assert_left_clean()
    reported = steps(tmp_path / "it")
    assert reported == sorted(set(reported))
    assert_finite(tmp_path / "it")
