"""A program on a pseudo-terminal of its own, for a screen that is drawn elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import signal
import struct
import termios
from collections.abc import Mapping, Sequence

NICENESS = 5  # see nice(2): what a browser shows gives way to the training
START_SECONDS = 5.0  # before that: a program that has just been started shows something soon
END_SECONDS = 5.0  # that the program gets to end once its terminal is closed, and again once it is asked to
MOST_BYTES = 1 << 16  # that are read in one go
FULL_SECONDS = 0.02  # between two attempts to write to a program that does not read
COLUMNS, ROWS = 500, 300  # of the largest terminal
# What another terminal has said about itself; the program is on none of them.
FOREIGN = ("COLUMNS", "LINES", "NO_COLOR", "SSH_CONNECTION", "STY", "TERM_PROGRAM", "TEXTUAL_DRIVER", "TMUX")


class HostedProgram:
    """`command` on a terminal of `size` (columns, rows) with all colours, such as browsers show.

    It soon gives way to other programs. When the terminal is closed, by `close` or because this process has ended in
    whatever way, the program ends as under any terminal that is closed. Make it with `start`.
    """

    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self._process, self._master = process, master

    @classmethod
    async def start(cls, command: Sequence[str], size: tuple[int, int], *, gives_way: bool = True) -> HostedProgram:
        """Start `command`, which `gives_way` to other programs once it has started.

        Raises `OSError` if the system allows no more terminals or processes.
        """
        master, slave = pty.openpty()
        try:
            _set_size(master, size)
            process = await asyncio.create_subprocess_exec(
                *command, stdin=slave, stdout=slave, stderr=slave, env=_environment(os.environ), start_new_session=True
            )
        except BaseException:
            os.close(master)
            raise
        finally:
            os.close(slave)
        os.set_blocking(master, False)
        program = cls(process, master)
        if gives_way:
            asyncio.get_running_loop().call_later(START_SECONDS, program.give_way)
        return program

    def give_way(self) -> None:
        """Let other programs have the processor first."""
        if self._process.returncode is None:
            lower = min(os.getpriority(os.PRIO_PROCESS, 0) + NICENESS, 19)
            with contextlib.suppress(OSError):  # it has just ended
                os.setpriority(os.PRIO_PGRP, self._process.pid, lower)  # with all its threads

    async def read(self) -> bytes:
        """What the program writes next; empty once it has ended."""
        loop, ready = asyncio.get_running_loop(), asyncio.Event()
        while True:
            try:
                return os.read(self._master, MOST_BYTES)
            except BlockingIOError:
                ready.clear()
                loop.add_reader(self._master, ready.set)
                try:
                    await ready.wait()
                finally:
                    loop.remove_reader(self._master)
            except OSError:  # its end has been closed
                return b""

    async def write(self, data: bytes) -> None:
        """Give the program `data` to read; what it has not read when it ends is dropped."""
        rest = memoryview(data)
        with contextlib.suppress(OSError):
            while rest and self._process.returncode is None:
                try:
                    rest = rest[os.write(self._master, rest) :]
                except BlockingIOError:
                    await asyncio.sleep(FULL_SECONDS)

    def resize(self, size: tuple[int, int]) -> None:
        """Give the terminal another size (columns, rows)."""
        _set_size(self._master, size)
        with contextlib.suppress(ProcessLookupError):  # the terminal controls no process, so the system tells none
            self._process.send_signal(signal.SIGWINCH)

    async def close(self) -> None:
        """Close the terminal, and wait until the program has ended."""
        os.close(self._master)
        for number, seconds in ((signal.SIGHUP, END_SECONDS), (signal.SIGTERM, END_SECONDS), (signal.SIGKILL, None)):
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), seconds)
                return


def _set_size(master: int, size: tuple[int, int]) -> None:
    columns, rows = (min(max(wanted, 1), most) for wanted, most in zip(size, (COLUMNS, ROWS), strict=True))
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in ours.items() if name not in FOREIGN}
    return {**kept, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
