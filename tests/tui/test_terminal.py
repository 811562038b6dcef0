"""The program's way with a terminal, on a scripted run: keys that end it, and what may happen to a terminal."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Key, Resize
from textual.geometry import Size
from textual.message import Message

from tests.e2e.program import environment
from tests.e2e.terminal import PATIENCE, Terminal
from tests.tui.fake_run import FakeLink
from tui.app.app import CharrnnApp
from tui.terminal.driver import END_SIGNALS, Driver, on_signal

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


@pytest.mark.parametrize("asked", [False, True])
def test_a_size_that_nobody_asked_for_is_not_the_terminals(asked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    handed_on: list[Message] = []
    monkeypatch.setattr(LinuxDriver, "process_message", lambda driver, message: handed_on.append(message))
    driver = Driver.__new__(Driver)
    driver._in_band_window_resize = asked
    size, key = Resize(Size(30, 10), Size(30, 10)), Key("a", "a")
    for message in (size, key):
        driver.process_message(message)
    assert handed_on == ([size, key] if asked else [key])


def test_keys_come_from_the_terminal_where_a_text_came_from_standard_input() -> None:
    with on_screen(piped=True) as terminal:
        terminal.type("q")
        terminal.until_shown("Save and quit")
        terminal.type("s")
        assert terminal.wait() == 0
        terminal.assert_left_clean()


def test_a_paste_is_no_key_whatever_is_in_it(terminal: Terminal) -> None:
    """Without a prompt it is without effect; into a prompt it goes as text, control characters and all."""
    rate = terminal.words.split(" lr ")[1].split()[0]
    text = "a\x1b]]q\x03\x11\x00\x1b[Bx\x1b[201~]q"
    terminal.type(f"\x1b[200~{text}\x1b[201~")
    terminal.type("4")
    terminal.until_shown("o occlude")
    assert f" lr {rate} " in terminal.words
    terminal.type("p\x15")
    terminal.type(f"\x1b[200~{text}\x1b[201~")
    terminal.until_shown("a␛]]q␃␑␀␛[Bx␛[201~]q")
    assert f" lr {rate} " in terminal.words


def test_a_novel_is_pasted_and_the_keys_after_it_act(terminal: Terminal) -> None:
    terminal.type("p\x15\x1b[200~")
    for _ in range(100):
        terminal.type("\x1b]qxs" * 2000)
        terminal.read(0)
    terminal.type("\x1b[201~")
    terminal.until_shown("A prompt has at most")
    terminal.type("\x03")
    terminal.until_shown("Save and quit")


def test_a_paste_that_never_ends_leaves_a_way_out(terminal: Terminal) -> None:
    terminal.type("p\x15\x1b[200~some text q")
    terminal.until_shown("some text q")
    terminal.read(1.2)
    terminal.type("\x03")
    terminal.until_shown("Save and quit")


def test_bytes_that_are_no_utf8_are_no_end(terminal: Terminal) -> None:
    """As from a terminal with another encoding; and a character may come in two parts."""
    terminal.type("p\x15")
    os.write(terminal.master, b"caf\xe9 \xff\xfe \xf0\x9f")
    terminal.read(0.2)
    os.write(terminal.master, b"\xa6\x89.")
    terminal.until_shown("caf\ufffd \ufffd\ufffd 🦉")


def test_a_signal_is_heard_though_keys_have_flooded_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CharrnnApp, "is_headless", False)
    monkeypatch.setattr("tui.terminal.driver._held", [])
    before = {number: signal.getsignal(number) for number in END_SIGNALS}
    heard: list[int] = []

    async def flood(number: int) -> None:
        on_signal(CharrnnApp(FakeLink()), lambda: heard.append(number))
        for _ in range(2_000):  # as the thread does that reads the keys
            asyncio.get_running_loop().call_soon_threadsafe(lambda: None)
        os.kill(os.getpid(), number)
        await asyncio.sleep(0.05)

    try:
        for number in END_SIGNALS:
            asyncio.run(flood(number))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert heard == list(END_SIGNALS)


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
