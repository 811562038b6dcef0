"""Texts that can be read only once: standard input, pipes, sockets, and files that are made while they are read."""

from __future__ import annotations

import os
import select
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import UnsupportedOperation
from typing import BinaryIO

from engine.errors import UserError
from engine.text import source
from engine.text.source import Source

SPOOL = 1 << 25  # bytes kept in memory; the rest goes to a temporary file
MOST_BYTES = 1 << 30  # read from a stream: one that has more may have no end
MOST_UNSIZED = 1 << 26  # read from a file that claims to be empty, as those below /proc do
TICK = 0.1  # seconds between two looks for a reason to give up
QUIET = 1.0  # seconds without a byte, after which the user is told what is waited for


@dataclass(frozen=True)
class Waiting:
    """What to do while a stream has nothing to read.

    `tick` is called several times a second, and may raise to give up. `say` takes one sentence for the user.
    """

    tick: Callable[[], None] = lambda: None
    say: Callable[[str], None] = lambda sentence: None


def spooled(label: str, stream: BinaryIO, encoding: str, opened: ExitStack, waiting: Waiting) -> Source:
    """A source that reads a copy of `stream`. The copy lives until `opened` is closed.

    Raises `UserError` if the stream cannot be read, or has more bytes than a text that is read once may have.
    """
    spool = opened.enter_context(tempfile.SpooledTemporaryFile(SPOOL))  # noqa: SIM115 (`opened` closes it)
    size = 0
    try:
        for chunk in _chunks(label, stream, waiting):
            size += spool.write(chunk)
    except OSError as error:
        raise UserError(f"{label}: cannot be held ({error.strerror}); make room in {tempfile.gettempdir()}") from None

    def chunks() -> Iterator[bytes]:
        spool.seek(0)
        while chunk := spool.read(source.CHUNK):
            yield chunk

    return Source(label, size, encoding, chunks)


def _chunks(label: str, stream: BinaryIO, waiting: Waiting) -> Iterator[bytes]:
    """The bytes of `stream`, up to its end."""
    try:
        descriptor = stream.fileno()
    except (OSError, UnsupportedOperation):  # it lies in memory
        while chunk := stream.read(source.CHUNK):
            yield chunk
        return
    status = os.fstat(descriptor)
    is_file = stat.S_ISREG(status.st_mode)
    limit = MOST_UNSIZED if is_file else MOST_BYTES
    rest = status.st_size if is_file and status.st_size else limit + 1  # what is added to a file later is not read
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    count, is_told = 0, False
    while rest:
        if not poll.poll(0):
            if is_file:
                raise UserError(f"{label}: has no end, for more is written to it all the time; name a file")
            is_told = _wait(poll, label, count, waiting, is_told)
        try:
            chunk = os.read(descriptor, min(source.CHUNK, rest))
        except BlockingIOError:
            continue
        except OSError as error:
            raise UserError(f"{label}: cannot be read ({error.strerror}); name a file that can be read") from None
        if not chunk:
            return
        count += len(chunk)
        rest -= len(chunk)
        if count > limit and not status.st_size:
            raise UserError(f"{label}: has more than {limit >> 20:,} MB, or no end; name a file instead")
        waiting.tick()
        yield chunk


def _wait(poll: select.poll, label: str, count: int, waiting: Waiting, is_told: bool) -> bool:
    """Return when there is something to read. Tell the user, once, if that takes long; return whether that is done."""
    began = time.monotonic()
    while not poll.poll(TICK * 1000):
        waiting.tick()
        if not is_told and time.monotonic() - began >= QUIET:
            is_told = True
            said = f"{count:,} bytes have come so far" if count else "nothing has come yet"
            waiting.say(f"{label}: {said}; waiting for its writer to write more or to end")
    return is_told
