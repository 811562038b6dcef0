"""A terminal receives no escape sequence out of a name, whatever is drawn on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import Open
from tests.e2e.program import SMALL
from tests.e2e.terminal import Terminal
from tests.finished_run import TEXT, finish_run
from tests.hostile_name import HOSTILE, SHOWN

LARGE = (200, 50)
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
    terminal = open_terminal(command, *([] if command == "runs" else [hostile_run]), size=LARGE)
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
