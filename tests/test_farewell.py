"""What is said of a run whose dashboard was left."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from engine.runs.listing import find_run
from engine.runs.record import State
from engine.runs.writer import RunWriter
from tests.hostile_name import steers
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


STRANGE = ("two words", "it's", '"quoted"', "-dash", "--steps", "$HOME", "a;b&c", "#", "漢é")
UNPRINTABLE = ("new\nline", "esc\x1b[31m\x07", "it's \\ \x1b", "\udcff\udc9b", "a\u202eb")


@pytest.mark.parametrize("name", [*STRANGE, *UNPRINTABLE], ids=ascii)
def test_its_command_can_be_pasted_into_a_shell(
    name: str, run: RunWriter, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell makes of it the words that find the run, and an option of none of them."""
    run.set_state("stopped", 20)
    run.close()
    run.path.rename(run.path.with_name(name))
    print_farewell(run.path.with_name(name))
    said = capsys.readouterr().out
    assert not steers(said)
    assert len(said.splitlines()) == 1
    _, command = said.split("to go on: charrnn-tui train ")
    words = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True).stdout
    option, argument, _ = os.fsdecode(words).split("\0")
    assert option == "--resume"
    assert not argument.startswith("-")
    assert find_run(argument).samefile(run.path.with_name(name))


def test_a_working_directory_that_is_gone_takes_no_farewell_away(
    run: RunWriter, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run.set_state("stopped", 20)
    run.close()
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    print_farewell(run.path)
    assert f"--resume {run.path}" in capsys.readouterr().out


def test_a_run_that_is_gone_is_not_spoken_of(run: RunWriter, capsys: pytest.CaptureFixture[str]) -> None:
    run.close()
    shutil.rmtree(run.path)
    print_farewell(run.path)
    assert capsys.readouterr().out == ""
