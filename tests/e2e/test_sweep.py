"""A sweep under its screen: real processes train, and leaving saves what they have."""

from __future__ import annotations

from pathlib import Path

from engine.sweep.study import read_study
from tests.e2e.conftest import Open
from tests.e2e.program import SMALL, steps
from tests.e2e.terminal import NARROW

OPTIONS = ("sweep", "physics", *SMALL[:6], "--cell", "rnn,gru", "--run", "it")


def test_a_sweep_is_seen_until_its_runs_have_ended(open_terminal: Open, tmp_path: Path) -> None:
    terminal = open_terminal(*OPTIONS, "--steps", "60", size=NARROW)
    terminal.until_shown("2 of 2 runs have ended")
    terminal.type("q")
    assert terminal.wait() == 0
    assert [run.state for run in read_study(tmp_path / "it").runs] == ["finished"] * 2


def test_leaving_saves_the_runs_and_the_sweep_goes_on_later(open_terminal: Open, tmp_path: Path) -> None:
    terminal = open_terminal(*OPTIONS, "--steps", "100000", size=NARROW)
    terminal.until(lambda: len(steps(tmp_path / "it" / "1-rnn")) > 2, "steps")
    terminal.type("qs")
    assert terminal.wait() == 0
    terminal.assert_left_clean()
    runs = read_study(tmp_path / "it").runs
    assert [run.state for run in runs] == ["waiting"] * 2
    assert runs[0].steps > 20
