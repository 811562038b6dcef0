"""What the program says of itself before anything is trained."""

from __future__ import annotations

import builtins
import contextlib
import os
import resource
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from engine.bench import command
from engine.bench.results import Results
from engine.errors import UserError
from tui import __main__ as entry
from tui.cli import main
from tui.cli.commands import COMMANDS
from tui.cli.output import require_writable, write_file


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the program prints before it leaves in peace."""
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert not left.value.code
    return capsys.readouterr().out


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "--version") == f"charrnn-tui {version('charrnn-tui')}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_small_screen(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = said(capsys, command, "--help").splitlines()
    assert lines[0].startswith("usage: charrnn-tui")
    assert max(map(len, lines)) <= 80  # a terminal breaks a longer line within a word
    assert len(lines) < 24  # the shell's prompt takes a line


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (["sweep", "--resume", ""], "--resume"),
        (["train", "--resume", ""], "--resume"),
        (["train", "fox.txt", "--from="], "--from"),
        (["train", "--config", ""], "--config"),
        (["compare", "--preset", ""], "--preset"),
        (["serve", "--run", ""], "--run"),
        (["attach", ""], "RUN"),
        (["rm", "otter", ""], "RUN"),
        (["eval", "otter", "--html", ""], "--html"),
        (["export", "otter", "--tensorboard", ""], "--tensorboard"),
    ],
)
def test_an_empty_name_is_no_default(command: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As of a variable that is not set: `train --resume "$RUN"` begins no other run."""
    with pytest.raises(SystemExit) as left:
        main(command)
    assert left.value.code == 2
    assert f"argument {named}: is empty" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["eval", "otter", "--html"], ["sweep", "--csv"], ["bench", "--json"]])
def test_a_file_that_cannot_be_written_is_said_before_the_work(
    option: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    wrong = {".": "it is a directory", "no/file": "its directory is missing", "x" * 300: "its name is too long"}
    for file, reason in wrong.items():
        assert main([*option, file]) == 2
        assert f"{file}: cannot be written ({reason}" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loop"]


def test_a_file_that_can_be_written_is_left_as_it_is(tmp_path: Path) -> None:
    old, new, link = tmp_path / "old", tmp_path / "new", tmp_path / "link"
    old.write_text("kept")
    link.symlink_to("new")
    for file in (old, new, link, Path("/dev/stdout"), Path(os.devnull)):
        require_writable(str(file))
    assert old.read_text() == "kept"
    assert not new.exists()


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file may have more bytes: the system refuses to write on in the middle, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def bench_json(file: str, text: str) -> None:
    problem = command._write(file, Results({"text": text}))
    if problem:
        raise UserError(f"{file}: cannot be written ({problem}")


@pytest.mark.parametrize("write", [write_file, bench_json])
def test_a_file_named_by_the_user_is_whole_or_as_it_was(write: Callable[[str, str], None], tmp_path: Path) -> None:
    old, link, new = tmp_path / "old", tmp_path / "link", tmp_path / ("x" * 255)
    old.write_text("kept")
    old.chmod(0o640)
    link.symlink_to(old)
    for file in (old, link, new):
        with largest_file(8), pytest.raises(UserError, match=r"cannot be written \(File too large"):
            write(str(file), "much longer than that")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "old"]
    assert old.read_text() == "kept"
    write(str(link), "otherwise")
    write(str(new), "otherwise")
    assert link.is_symlink()
    assert "otherwise" in old.read_text()
    assert old.stat().st_mode & 0o777 == 0o640
    (tmp_path / "by itself").touch()
    assert new.stat().st_mode == (tmp_path / "by itself").stat().st_mode


def test_what_cannot_be_replaced_is_written_in_place(tmp_path: Path) -> None:
    old, second, pipe = tmp_path / "old", tmp_path / "second", tmp_path / "pipe"
    old.write_text("a longer text that was there")
    second.hardlink_to(old)
    write_file(str(old), "new")
    assert second.read_text() == "new"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_file(str(pipe), "through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert pipe.is_fifo()


def test_ctrl_c_has_no_traceback_while_the_program_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str, *rest: Any) -> Any:
        if name == "tui.cli":
            raise KeyboardInterrupt
        return load(name, *rest)

    load = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", interrupted)
    assert entry.main() == 130
