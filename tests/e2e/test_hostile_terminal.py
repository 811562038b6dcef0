"""A terminal receives no escape sequence out of a run's name, and a whole screen even if its writes do not wait."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import Open
from tests.e2e.program import PROGRAM, SMALL, environment
from tests.e2e.terminal import WIDE, Terminal
from tests.finished_run import TEXT, finish_run
from tests.hostile_name import HOSTILE, SHOWN

OUT_OF_THE_NAME = (b"\x1b]0;", "\x9b".encode(), "\u202e".encode(), "\u2028".encode(), b"\xed\xb3\xbf", b"\f")


@pytest.fixture
def hostile_run(tmp_path: Path) -> str:
    (tmp_path / "runs").mkdir()
    return str(finish_run(tmp_path / "runs" / HOSTILE))


def assert_harmless(terminal: Terminal) -> None:
    for sequence in OUT_OF_THE_NAME:
        assert sequence not in terminal.output, sequence


@pytest.mark.parametrize("command", ["attach", "probe", "runs"])
def test_the_screens_and_the_farewell(command: str, hostile_run: str, open_terminal: Open) -> None:
    terminal = open_terminal(command, *([] if command == "runs" else [hostile_run]), size=(200, 50))
    terminal.until_shown(SHOWN)
    terminal.type("\x03")
    assert terminal.wait() == 0
    assert_harmless(terminal)


def test_the_bar_of_headless_training(tmp_path: Path, open_terminal: Open) -> None:
    (tmp_path / HOSTILE).mkdir()
    (tmp_path / HOSTILE / HOSTILE).write_text(TEXT * 60)
    terminal = open_terminal("train", HOSTILE, "--headless", *SMALL, "--steps", "20", "--run", f"runs/{HOSTILE}")
    assert terminal.wait() == 0
    assert "finished at step 20" in terminal.words
    assert_harmless(terminal)


def test_a_terminal_whose_writes_do_not_wait_gets_the_whole_screen(tmp_path: Path) -> None:
    """Another program may leave it so; more than it takes at once is a frame of a large window."""
    (tmp_path / "runs").mkdir()
    finish_run(tmp_path / "runs" / "old")
    code = "import os, sys; os.set_blocking(2, False); os.execv(sys.argv[1], sys.argv[1:])"
    command = [PROGRAM[0], "-c", code, *PROGRAM, "attach", "old"]
    terminal = Terminal(command, WIDE, cwd=tmp_path, environment=environment(TERM="xterm-256color"))
    try:
        terminal.until_shown("quit")
        terminal.type("?")
        terminal.until_shown("Help")
        terminal.type("\x03")
        assert terminal.wait() == 0
        terminal.assert_left_clean()
    finally:
        terminal.close()
