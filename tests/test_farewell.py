"""What is said of a run whose dashboard was left."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.runs.record import State
from engine.runs.writer import RunWriter
from tests.small_run import SMALL, record_of, train_and_report, trainer_of
from tui.cli.output import print_farewell


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunWriter:
    monkeypatch.chdir(tmp_path)
    run = RunWriter.create(record_of(SMALL), Path("runs/calm-fox"), Path("runs"))
    train_and_report(trainer_of(SMALL), run, 20)
    return run


@pytest.mark.parametrize(
    ("state", "held", "words"),
    [
        ("training", True, "calm-fox goes on: charrnn-tui attach calm-fox"),
        ("diverged", True, "calm-fox goes on: charrnn-tui attach calm-fox"),
        ("stopped", True, "calm-fox: stopped at step 20; to go on: charrnn-tui train --resume calm-fox"),
        ("stopped", False, "calm-fox: stopped at step 20; to go on: charrnn-tui train --resume calm-fox"),
        ("training", False, "calm-fox: crashed at step 20; to go on: charrnn-tui train --resume calm-fox"),
        ("finished", False, "calm-fox: finished at step 20"),
    ],
)
def test_it_says_what_became_of_the_run_and_how_to_find_it(
    run: RunWriter, state: State, held: bool, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run.set_state(state, 20)
    if not held:
        run.close()
    print_farewell(run.path)
    assert capsys.readouterr().out == words + "\n"
    run.close()


def test_a_run_elsewhere_is_called_by_its_path(
    run: RunWriter, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run.set_state("stopped", 20)
    run.close()
    monkeypatch.chdir("/")
    print_farewell(run.path)
    assert f"--resume {tmp_path}/runs/calm-fox\n" in capsys.readouterr().out


def test_a_run_that_is_gone_is_not_spoken_of(run: RunWriter, capsys: pytest.CaptureFixture[str]) -> None:
    run.close()
    shutil.rmtree(run.path)
    print_farewell(run.path)
    assert capsys.readouterr().out == ""
