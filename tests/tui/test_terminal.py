"""The program on a real pseudo-terminal: how it ends, and what it leaves behind."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyte
import pytest

PROGRAM = Path(__file__).with_name("fake_run.py")
PATIENCE = 20.0  # seconds that a slow machine may take; nothing waits for them to pass


class Terminal:
    """A child process with a pseudo-terminal of its own, as its controlling one or not."""

    def __init__(self, controlling: bool = True, piped: bool = False) -> None:
        self.master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))
        self.modes = termios.tcgetattr(self._slave)
        self.output = b""
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        environment |= {"TERM": "xterm-256color", "PYTHONWARNINGS": "default"}
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM)],
            stdin=subprocess.DEVNULL if piped else self._slave,
            stdout=self._slave,
            stderr=self._slave,
            env=environment,
            start_new_session=True,
            preexec_fn=(lambda: fcntl.ioctl(1, termios.TIOCSCTTY, 0)) if controlling else None,
        )

    def read(self, seconds: float) -> bytes:
        """What comes within some seconds."""
        deadline, got = time.monotonic() + seconds, b""
        while (left := deadline - time.monotonic()) > 0 and select.select([self.master], [], [], left)[0]:
            try:
                got += os.read(self.master, 65536)
            except OSError:
                break
        self.output += got
        return got

    def read_until(self, text: bytes) -> None:
        deadline = time.monotonic() + PATIENCE
        while text not in self.output:
            ended = self.process.poll() is not None
            self.read(0.1)
            assert not ended, f"it ended before {text!r} came: {self.output[-800:]!r}"
            assert time.monotonic() < deadline, f"{text!r} does not come; the end is {self.output[-800:]!r}"

    def read_on(self, text: bytes) -> None:
        """Wait for `text` to come from now on."""
        self.output = b""
        self.read_until(text)

    def watch(self, stream: pyte.ByteStream, shows: Callable[[], bool]) -> None:
        """Feed `stream` until it shows something, and then nothing new for a while."""
        deadline = time.monotonic() + PATIENCE
        quiet = False
        while not (quiet and shows()):
            assert time.monotonic() < deadline, "it never showed"
            got = self.read(0.3)
            stream.feed(got)
            quiet = not got

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.kill(self.process.pid, signal.SIGWINCH)

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def wait(self) -> int:
        """The exit code, reading on meanwhile, as a terminal does."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, "the process does not end"
            self.read(0.05)
        self.read(0.05)
        return self.process.returncode

    def is_restored(self) -> bool:
        return termios.tcgetattr(self._slave) == self.modes

    def hang_up(self) -> None:
        os.close(self._slave)
        os.close(self.master)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for descriptor in (self.master, self._slave):
            with suppress(OSError):
                os.close(descriptor)


@contextmanager
def on_screen(controlling: bool = True, piped: bool = False) -> Iterator[Terminal]:
    terminal = Terminal(controlling, piped)
    try:
        terminal.read_until(b"chars/s")
        yield terminal
    finally:
        terminal.close()


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with on_screen() as terminal:
        yield terminal


def assert_left_clean(terminal: Terminal) -> None:
    assert terminal.is_restored()
    tail = terminal.output[terminal.output.rindex(b"\x1b[?1049l") :]
    assert b"\x1b[?25h" in tail, "the cursor stays hidden"
    assert b"\x1b[?1003l" in terminal.output, "the mouse stays captured"
    assert b"Traceback" not in terminal.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(terminal: Terminal, number: signal.Signals) -> None:
    os.kill(terminal.process.pid, number)
    assert terminal.wait() == 0
    assert_left_clean(terminal)


@pytest.mark.parametrize("keys", [b"qs", b"qq", b"q\r", b"qx", b"\x03\x03", b"\x11s"])
def test_keys_end_it_in_good_order(terminal: Terminal, keys: bytes) -> None:
    terminal.type(keys[:1])
    terminal.read_until(b"Save and quit")
    terminal.type(keys[1:])
    assert terminal.wait() == 0
    assert_left_clean(terminal)


def test_a_closed_terminal_ends_it(terminal: Terminal) -> None:
    terminal.hang_up()
    assert terminal.process.wait(PATIENCE) == 0


def test_a_closed_terminal_ends_it_where_no_signal_says_so() -> None:
    """Reading the end of the input for ever would be all that is left."""
    with on_screen(controlling=False) as terminal:
        terminal.hang_up()
        assert terminal.process.wait(PATIENCE) == 0


def test_keys_come_from_the_terminal_where_a_text_came_from_standard_input() -> None:
    with on_screen(piped=True) as terminal:
        terminal.type(b"q")
        terminal.read_until(b"Save and quit")
        terminal.type(b"s")
        assert terminal.wait() == 0
        assert_left_clean(terminal)


def test_no_debris_after_a_resize_to_small_and_back(terminal: Terminal) -> None:
    """What the changes of the last seconds have left is what painting everything again shows."""
    screen = pyte.Screen(120, 36)
    stream = pyte.ByteStream(screen)
    stream.feed(terminal.output)
    terminal.type(b" ")
    for columns, rows in ((200, 60), (80, 24), (200, 60)):
        terminal.resize(columns, rows)
        screen.resize(rows, columns)
        terminal.watch(stream, lambda: screen.display[0].rstrip().endswith("‖ paused") and is_filled(screen))
    painted = list(screen.display)
    screen.reset()
    terminal.type(b"\x0c")  # ctrl+l
    terminal.watch(stream, lambda: is_filled(screen))
    assert screen.display == painted


def is_filled(screen: pyte.Screen) -> bool:
    """Whether the state stands at the right end of the first line, and the keys on the last one."""
    return len(screen.display[0].rstrip()) == screen.columns - 1 and "q quit" in screen.display[-1]


def test_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again(terminal: Terminal) -> None:
    terminal.type(b"\x1a")
    _, status = os.waitpid(terminal.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    terminal.read(0.1)
    assert terminal.is_restored()
    os.kill(terminal.process.pid, signal.SIGCONT)
    terminal.read_on(b"chars/s")
    terminal.type(b"q")
    terminal.read_on(b"Save and quit")
    terminal.type(b"q")
    assert terminal.wait() == 0
    assert_left_clean(terminal)


def test_a_stop_from_outside_does_not_start_a_second_driver(terminal: Terminal) -> None:
    os.kill(terminal.process.pid, signal.SIGSTOP)
    os.waitpid(terminal.process.pid, os.WUNTRACED)
    os.kill(terminal.process.pid, signal.SIGCONT)
    terminal.read_on(b"chars/s")  # all is painted again: somebody else may have written meanwhile
    os.kill(terminal.process.pid, signal.SIGTERM)
    assert terminal.wait() == 0
    assert_left_clean(terminal)


def test_a_terminal_that_takes_nothing_does_not_keep_it(terminal: Terminal) -> None:
    for _ in range(50):  # nobody reads what is painted
        terminal.type(b"z")
        time.sleep(0.02)
    os.kill(terminal.process.pid, signal.SIGTERM)
    assert terminal.process.wait(PATIENCE) == 0
