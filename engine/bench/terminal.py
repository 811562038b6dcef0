"""A program in a pseudo-terminal: what it wrote and when, and what a person would have seen.

While it runs, bytes are only kept with their time, so that watching costs next to nothing; the
terminal emulator reads them afterwards.
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
from time import perf_counter
from types import TracebackType
from typing import Self

Screen = list[str]  # the lines that are shown


class Terminal:
    """`command` in a pseudo-terminal of `columns` × `rows`. Times are seconds since it was started."""

    def __init__(self, command: Sequence[str], columns: int, rows: int, environment: Mapping[str, str]) -> None:
        self.columns, self.rows = columns, rows
        self._chunks: list[tuple[float, bytes]] = []
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._started = perf_counter()
        self._process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**environment, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(slave)

    def press(self, keys: str) -> float:
        """Send what a keyboard would send; returns when."""
        when = perf_counter() - self._started
        os.write(self._master, keys.encode())
        return when

    def watch(self, seconds: float, until: Callable[[bytes], bool] = lambda chunk: False) -> bool:
        """Keep what it writes for so long, or up to a chunk for which `until` is true; whether there was one."""
        end = perf_counter() + seconds
        while (left := end - perf_counter()) > 0:
            if not select.select([self._master], [], [], left)[0]:
                continue
            try:
                chunk = os.read(self._master, 1 << 16)
            except OSError:  # Linux says so when the other end is closed
                return False
            if not chunk:
                return False
            self._chunks.append((perf_counter() - self._started, chunk))
            if until(chunk):
                return True
        return False

    def screens(self, after: float = 0.0) -> Iterator[tuple[float, Screen]]:
        """The screen after each chunk that came later than `after`, and when that was."""
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

    def hold(self, held: bool = True) -> None:
        """Stop the program and the processes it started, or let them go on."""
        os.killpg(self._process.pid, signal.SIGSTOP if held else signal.SIGCONT)

    def alive(self) -> bool:
        """Whether the program still runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the program, politely at first."""
        if self.alive():
            self.hold(False)
            self._process.send_signal(signal.SIGTERM)
            self.watch(2.0)
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def delays(terminal: Terminal, presses: Sequence[tuple[float, Callable[[Screen], bool]]]) -> list[float]:
    """Seconds from each press (when, what the screen shows once it worked) to the screen that shows it.

    A press that has not worked when the next one comes is lost: `math.inf`.
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
