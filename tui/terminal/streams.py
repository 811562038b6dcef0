"""Standard input, output and error as all commands find them: open, printable, and never half written.

Whatever is printed passes through `printable_lines`: by this program, by argparse, as a warning or as a traceback. What
the encoding of the locale lacks is escaped. A full device, a closed descriptor or a reader that has gone raises one
error, `OutputError`, and leaves nothing in a buffer that would fail again at exit.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

from engine.printable import printable_lines

if TYPE_CHECKING:
    from typing_extensions import Buffer

PIECE = select.PIPE_BUF  # bytes that a pipe with room takes at once
PATIENCE = 1.0  # seconds that standard error may stay full before what is written to it is dropped


class OutputError(OSError):
    """Standard output cannot be written."""

    on_terminal = False

    @property
    def reader_is_gone(self) -> bool:
        """Whether nobody can read any more: `| head` has ended, or the terminal is closed.

        From a disk the same error, EIO, says that the disk is broken.
        """
        return self.errno == errno.EPIPE or (self.errno == errno.EIO and self.on_terminal)


class Descriptor(io.RawIOBase):
    """An open file descriptor, without a buffer. What is written is written whole.

    If the descriptor is full for the moment, a write waits. A `lossy` one drops what cannot be written, at once or
    within `PATIENCE`, and raises nothing.
    """

    def __init__(self, number: int, *, lossy: bool) -> None:
        self._number = number
        self._lossy = lossy
        self._is_terminal = os.isatty(number)  # a terminal that has been closed no longer says so
        self._stuck = False

    @property
    def name(self) -> int:
        return self._number

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer) -> int:
        """Write all of `data`. Returns its length in bytes. Raises `OutputError` unless the descriptor is lossy."""
        rest = memoryview(data)
        length = len(rest)
        try:
            while rest:
                if not self._wait():
                    break
                try:
                    rest = rest[os.write(self._number, rest[:PIECE]) :]
                except BlockingIOError:
                    continue
        except OSError as error:
            if not self._lossy:
                refusal = OutputError(error.errno, error.strerror)
                refusal.on_terminal = self._is_terminal
                raise refusal from None
        return length

    def _wait(self) -> bool:
        """Wait for room; False if a lossy descriptor has had none for too long."""
        if not self._lossy:
            return has_room(self._number, None)
        self._stuck = not has_room(self._number, 0.0 if self._stuck else PATIENCE)
        return not self._stuck


class Output(io.TextIOWrapper):
    """A text stream whose text is made printable; `escapes` is the same stream for text with escape sequences of ours.

    Characters that its encoding lacks are written as `\\u2026`.
    """

    def __init__(self, descriptor: Descriptor, encoding: str) -> None:
        super().__init__(descriptor, encoding, "backslashreplace", line_buffering=True)
        self.escapes = io.TextIOWrapper(descriptor, encoding, "backslashreplace", line_buffering=True)

    def write(self, text: str) -> int:
        super().write(printable_lines(text))
        return len(text)


def take_over() -> None:
    """Make standard input, output and error of this process safe. Call this first, before a file is opened.

    A closed descriptor is opened on the null device, in the direction that fails: otherwise the next file that is
    opened, perhaps a run's, would get its number, and all that is printed.
    """
    for number, way in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, way)  # gets the lowest free number
            os.set_inheritable(number, True)
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            stream = open(number, mode, encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
    sys.stdout = Output(Descriptor(1, lossy=False), sys.stdout.encoding)
    sys.stderr = Output(Descriptor(2, lossy=True), sys.stderr.encoding)


def escapes(stream: TextIO) -> TextIO:
    """`stream`, for text that holds escape sequences of this program's own. All else in it must be printable."""
    return getattr(stream, "escapes", stream)


def has_room(number: int, seconds: float | None) -> bool:
    """Wait until a write of `PIECE` bytes would not block, at most `seconds` if given; return whether it would not."""
    poll = select.poll()
    poll.register(number, select.POLLOUT)
    return bool(poll.poll(None if seconds is None else seconds * 1000))
