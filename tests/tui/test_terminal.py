"""The program's way with a terminal, on a scripted run: keys that end it, and what may happen to a terminal."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.program import environment
from tests.e2e.terminal import PATIENCE, Terminal

PROGRAM = [sys.executable, "-m", "tests.tui.fake_run"]
ROOT = Path(__file__).parents[2]


@contextmanager
def on_screen(*, piped: bool = False) -> Iterator[Terminal]:
    terminal = Terminal(PROGRAM, cwd=ROOT, environment=environment(PYTHONWARNINGS="default"), piped=piped)
    try:
        terminal.until_shown("chars/s")
        yield terminal
    finally:
        terminal.close()


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with on_screen() as terminal:
        yield terminal


@pytest.mark.parametrize("keys", ["qs", "qq", "q\r", "qx", "\x03\x03", "\x11s"])
def test_keys_end_it_in_good_order(terminal: Terminal, keys: str) -> None:
    terminal.type(keys[0])
    terminal.until_shown("Save and quit")
    terminal.type(keys[1])
    assert terminal.wait() == 0
    terminal.assert_left_clean()


def test_keys_come_from_the_terminal_where_a_text_came_from_standard_input() -> None:
    with on_screen(piped=True) as terminal:
        terminal.type("q")
        terminal.until_shown("Save and quit")
        terminal.type("s")
        assert terminal.wait() == 0
        terminal.assert_left_clean()


def test_a_stop_from_outside_does_not_start_a_second_driver(terminal: Terminal) -> None:
    os.kill(terminal.process.pid, signal.SIGSTOP)
    os.waitpid(terminal.process.pid, os.WUNTRACED)
    terminal.scribble("▒")  # as another program may have done meanwhile
    os.kill(terminal.process.pid, signal.SIGCONT)
    terminal.until(lambda: "▒" not in terminal.text, "everything painted again")
    os.kill(terminal.process.pid, signal.SIGTERM)
    assert terminal.wait() == 0
    terminal.assert_left_clean()


def test_a_terminal_that_takes_nothing_does_not_keep_it(terminal: Terminal) -> None:
    for _ in range(50):  # what is painted is not read
        terminal.type("z")
        time.sleep(0.02)
    os.kill(terminal.process.pid, signal.SIGTERM)
    assert terminal.process.wait(PATIENCE) == 0
