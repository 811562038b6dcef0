"""Runs a program in a pseudo-terminal: what it wrote and when, and what its screen showed.

While the program runs, bytes are only stored with their times, so that watching takes hardly any time; a terminal
emulator reads them afterwards.
"""

from __future__ import annotations

import fcntl
import math
import os
import pty
import select
import signal
import struct
import subprocess
import termios
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter

WIDE, NARROW = (120, 36), (80, 24)  # columns and rows
Screen = list[str]  # the lines that are shown


class PseudoTerminal:
    """`command` started in a pseudo-terminal of `size` (columns, rows), in a session of its own.

    Attributes: `master`, the descriptor that a terminal would read and write; `modes`, how the terminal was set before
    (as `termios.tcgetattr` gives it); `process`. Where it is `controlling`, the terminal is the program's controlling
    one, as under a shell; where `piped`, the program's standard input is empty instead of the terminal.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        size: tuple[int, int],
        environment: Mapping[str, str],
        *,
        cwd: Path | None = None,
        controlling: bool = False,
        piped: bool = False,
    ) -> None:
        self.master, self._slave = pty.openpty()
        self._open = {self.master, self._slave}
        self.resize(size)
        self.modes = termios.tcgetattr(self._slave)
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if piped else self._slave,
            stdout=self._slave,
            stderr=self._slave,
            cwd=cwd,
            env={**environment, "TERM": "xterm-256color"},
            start_new_session=True,
            preexec_fn=(lambda: fcntl.ioctl(1, termios.TIOCSCTTY, 0)) if controlling else None,
        )

    def type(self, keys: str | bytes) -> None:
        """Send what a keyboard would send."""
        os.write(self.master, keys.encode() if isinstance(keys, str) else keys)

    def resize(self, size: tuple[int, int]) -> None:
        """Give the window another size (columns, rows)."""
        columns, rows = size
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_chunk(self, seconds: float) -> bytes | None:
        """What the program writes next; None where nothing came within `seconds` or nothing can come any more."""
        if not select.select([self.master], [], [], seconds)[0]:
            return None
        try:
            return os.read(self.master, 1 << 16) or None
        except OSError:  # Linux says so when the other end is closed
            return None

    def kill(self) -> None:
        """End the program at once and close the terminal."""
        self.process.kill()
        self.process.wait()
        self.close_ends(self.master, self._slave)

    def close_ends(self, *descriptors: int) -> None:
        """Close ends of the terminal, each only once: afterwards its number may be that of another file."""
        for descriptor in self._open.intersection(descriptors):
            self._open.remove(descriptor)
            os.close(descriptor)


class Terminal(PseudoTerminal):
    """A program that is timed: all times are seconds since it was started."""

    def __init__(self, command: Sequence[str], columns: int, rows: int, environment: Mapping[str, str]) -> None:
        self.columns, self.rows = columns, rows
        self._chunks: list[tuple[float, bytes]] = []
        self._started = perf_counter()
        super().__init__(command, (columns, rows), environment)
        self.close_ends(self._slave)  # so that reading ends with the program

    def press(self, keys: str) -> float:
        """Send what a keyboard would send; the time of that."""
        when = perf_counter() - self._started
        self.type(keys)
        return when

    def watch(self, seconds: float, until: Callable[[bytes], bool] = lambda chunk: False) -> bool:
        """Store what it writes, for `seconds` or up to a chunk for which `until` is true; return whether one came."""
        end = perf_counter() + seconds
        while (left := end - perf_counter()) > 0 and (chunk := self.read_chunk(left)):
            self._chunks.append((perf_counter() - self._started, chunk))
            if until(chunk):
                return True
        return False

    def screens(self, after: float = 0.0) -> Iterator[tuple[float, Screen]]:
        """The time of each chunk that came later than `after`, and the screen after it."""
        import pyte

        screen = pyte.Screen(self.columns, self.rows)
        stream = pyte.ByteStream(screen)
        for when, chunk in self._chunks:
            stream.feed(chunk)
            if when > after:
                yield when, list(screen.display)

    def last_screen(self) -> Screen:
        """The screen as it is now; empty lines where nothing was written yet."""
        return deque(self.screens(), maxlen=1)[0][1] if self._chunks else [""] * self.rows

    def hold(self) -> None:
        """Suspend the program and the processes it started, until `let_go`."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def let_go(self) -> None:
        """Let them go on."""
        os.killpg(self.process.pid, signal.SIGCONT)

    def alive(self) -> bool:
        """Whether the program still runs."""
        return self.process.poll() is None

    def close(self) -> None:
        """End the program, politely at first."""
        if self.alive():
            self.let_go()
            self.process.send_signal(signal.SIGTERM)
            self.watch(2.0)
        self.kill()


def delays(terminal: Terminal, presses: Sequence[tuple[float, Callable[[Screen], bool]]]) -> list[float]:
    """Seconds from each press (when, what the screen shows once it worked) to the screen that shows it.

    The delay of a press that has not worked when the next one comes is `math.inf`.
    """
    waiting = list(presses)
    found: list[float] = []
    for when, screen in terminal.screens(after=presses[0][0]):
        while len(waiting) > 1 and when > waiting[1][0]:
            found.append(math.inf)
            del waiting[0]
        if waiting and when > waiting[0][0] and waiting[0][1](screen):
            found.append(when - waiting[0][0])
            del waiting[0]
    return found + [math.inf] * len(waiting)
