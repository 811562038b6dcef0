"""Runs are removed, renamed and stopped, and nothing else is touched."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

import pytest

from engine.config import Config
from engine.errors import UserError
from engine.remote.server import RunServer
from engine.runs import checkpoint
from engine.runs.housekeeping import remove_run, rename_run
from engine.session.start import new_session
from tests.finished_run import TEXT, finish_run
from tui.cli import main


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir()
    return finish_run(tmp_path / "runs" / "calm-fox")


def test_a_run_is_removed_with_its_directory(run: Path) -> None:
    assert remove_run(run) == []
    assert sorted(path.name for path in run.parent.iterdir()) == ["fox.txt"]


def test_what_is_not_of_the_run_stays_and_no_link_is_followed(run: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "1.safetensors").write_text("mine")
    (precious / "letter.txt").write_text("mine")
    (run / "notes.md").write_text("mine")
    (run / "log.txt").unlink(missing_ok=True)
    (run / "log.txt").symlink_to(precious / "letter.txt")
    for file in (run / "moments").iterdir():
        file.unlink()
    (run / "moments").rmdir()
    (run / "moments").symlink_to(precious)
    assert remove_run(run) == ["moments", "notes.md"]
    assert {path.name: path.read_text() for path in precious.iterdir()} == {
        "1.safetensors": "mine",
        "letter.txt": "mine",
    }


def test_a_run_that_trains_is_neither_removed_nor_are_those_named_with_it(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = run.parent / "other.txt"
    text.write_text(TEXT * 60)
    config = Config(text=(str(text),), hidden=8, embedding=4, batch=2, seq=10, threads=1)
    session = new_session(config, run.parent / "busy-bee")
    with contextlib.ExitStack() as stack:
        stack.callback(session.join, 20)
        session.start()
        stack.callback(RunServer(session, run.parent / "busy-bee").close)
        with pytest.raises(UserError, match=f"process {os.getpid()} is writing"):
            remove_run(run.parent / "busy-bee")
        monkeypatch.chdir(run.parent.parent)
        assert main(["rm", "calm-fox", "busy-bee"]) == 2
        assert "charrnn-tui stop busy-bee" in capsys.readouterr().err
        assert run.is_dir()
        assert main(["stop", "calm-fox", "busy-bee", "calm-fox", "busy-bee"]) == 0  # named twice, stopped once
        said = capsys.readouterr().out.splitlines()
        assert said == ["calm-fox: had ended already", "busy-bee: was saved and has ended"]
    assert main(["rm", "calm-fox", "busy-bee"]) == 0
    assert sorted(path.name for path in run.parent.iterdir()) == ["fox.txt", "other.txt"]
    assert main(["rm", "calm-fox"]) == 2


def test_a_run_that_could_not_be_saved_at_its_end_is_not_called_saved(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    text, place = run.parent / "other.txt", run.parent / "busy-bee"
    text.write_text(TEXT * 60)
    config = Config(text=(str(text),), hidden=8, embedding=4, batch=2, seq=10, threads=1)
    session = new_session(config, place)
    with contextlib.ExitStack() as stack:
        stack.callback(session.join, 20)
        session.start()
        stack.callback(RunServer(session, place).close)
        monkeypatch.setattr(checkpoint, "write", refuse)
        assert main(["stop", str(place)]) == 1
    said = capsys.readouterr().out
    assert said == "busy-bee: has ended; its end could not be saved: No space left on device\n"


def test_a_damaged_run_can_be_removed(run: Path) -> None:
    (run / "config.json").write_text("{")
    assert remove_run(run) == []
    assert not run.exists()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-rf", "taken", "x\0y"])
def test_a_name_that_is_none_is_refused(run: Path, name: str) -> None:
    (run.parent / "taken").mkdir()
    with pytest.raises(UserError):
        rename_run(run, name)
    assert run.is_dir()


def test_a_run_gets_another_name(run: Path) -> None:
    assert rename_run(run, "best of all") == run.parent / "best of all"
    assert not run.exists()


def test_each_run_is_named_once_and_all_or_none_are_removed(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.parent.parent)
    alias = run.with_name("alias")
    alias.symlink_to(run)
    assert main(["rm", "calm-fox", "alias"]) == 2
    assert "it is a symbolic link" in capsys.readouterr().err
    assert run.is_dir()
    alias.unlink()
    assert main(["stop", "calm-fox", "runs/calm-fox", str(run)]) == 0
    assert main(["rm", "calm-fox", "runs/calm-fox", str(run)]) == 0
    assert capsys.readouterr().out.splitlines() == ["calm-fox: had ended already", "calm-fox: removed"]


def test_a_run_may_be_named_by_the_directory_in_which_one_is(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run)
    assert main(["stop", "."]) == 0
    assert main(["rm", "."]) == 0
    assert capsys.readouterr().out.splitlines() == ["calm-fox: had ended already", "calm-fox: removed"]
    assert not run.exists()
