"""A run's Unix socket, and frames over it. Sending and receiving never block; only `wait` does."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import stat
import struct
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import UserError
from engine.remote.codec import Frames
from engine.runs.files import UNFINISHED, require_own

SOCKET = "run.sock"
MADE_AS = f".s{UNFINISHED}"  # no longer than SOCKET, for which the path may just be short enough
MAX_PATH = 100  # bytes; the kernel's limit is 107 on Linux and 103 elsewhere
CONNECT_SECONDS = 5.0
SOL_LOCAL, LOCAL_PEERCRED = 0, 1  # of macOS and FreeBSD, which Python's `socket` does not name
_CHUNK = 1 << 18  # bytes read at a time


def listen(directory: Path) -> socket.socket:
    """The listening socket of the run in `directory`, for its owner only. The caller holds the run's lock.

    Raises `UserError` if none can be made.
    """
    try:
        with contextlib.ExitStack() as on_failure:
            listener = on_failure.enter_context(socket.socket(socket.AF_UNIX))
            (directory / MADE_AS).unlink(missing_ok=True)
            with _short_path(directory, MADE_AS) as path:
                listener.bind(path)
            (directory / MADE_AS).chmod(0o600)
            listener.listen()
            listener.setblocking(False)
            (directory / MADE_AS).rename(directory / SOCKET)  # where it is seen, it answers
            on_failure.pop_all()
    except OSError as error:
        raise UserError(
            f"{directory}: no socket can be made there ({error.strerror or error}); choose another place for the run"
        ) from None
    return listener


def connect(directory: Path) -> socket.socket:
    """A connection to the run in `directory`. Raises `UserError` if no process of this user answers."""
    try:
        with contextlib.ExitStack() as on_failure:
            connection = on_failure.enter_context(socket.socket(socket.AF_UNIX))
            connection.settimeout(CONNECT_SECONDS)
            require_own(SOCKET, os.lstat(directory / SOCKET), stat.S_IFSOCK)
            with _short_path(directory, SOCKET) as path:
                connection.connect(path)
            if peer_uid(connection) != os.geteuid():
                raise PermissionError
            on_failure.pop_all()
    except PermissionError:
        raise UserError(f"{directory}: this run belongs to another user") from None
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise UserError(f"{directory}: cannot be watched ({error.strerror}); raise the system's limits") from None
        raise UserError(f"{directory}: no process answers for this run; see its state in the list of runs") from None
    return connection


@contextmanager
def _short_path(directory: Path, name: str) -> Iterator[str]:
    """A path of the socket `name` that is short enough for the kernel (`MAX_PATH`)."""
    path = str(directory / name)
    if len(os.fsencode(path)) <= MAX_PATH:
        yield path
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)


def peer_uid(connection: socket.socket) -> int:
    """The user id of the process at the other end: of the one that listens, or of the one that connected.

    Our own where the system cannot tell: there the modes of the socket and its directory alone keep other users out.
    Raises `OSError` if the other end is gone.
    """
    if hasattr(socket, "SO_PEERCRED"):  # Linux: struct ucred
        level, option, credentials, place = socket.SOL_SOCKET, socket.SO_PEERCRED, struct.Struct("iII"), 1
    elif sys.platform == "darwin" or sys.platform.startswith("freebsd"):  # the beginning of struct xucred
        level, option, credentials, place = SOL_LOCAL, LOCAL_PEERCRED, struct.Struct("II"), 1
    else:
        return os.geteuid()
    uid: int = credentials.unpack(connection.getsockopt(level, option, credentials.size))[place]
    return uid


class Connection:
    """Frames in and out of a connected socket, for one thread. Only `wait` blocks.

    `limit` is the largest frame that is read, in bytes.
    """

    def __init__(self, connected: socket.socket, limit: int) -> None:
        self.pending = 0  # bytes that the other side has not taken yet
        self.heard_at = time.monotonic()  # when the other side sent something last
        self._socket = connected
        self._socket.setblocking(False)
        self._frames = Frames(limit)
        self._outbox: deque[memoryview] = deque()

    def fileno(self) -> int:
        """For `select`."""
        return self._socket.fileno()

    @property
    def is_left(self) -> bool:
        """Whether the other side has disconnected, even if what it sent before has not been received yet."""
        poll = select.poll()
        poll.register(self, 0)
        return bool(poll.poll(0))  # `POLLHUP` and `POLLERR` are always looked for

    def wait(self, seconds: float | None = None, *others: socket.socket) -> None:
        """Block until frames can be received or sent on, or one of `others` can be read, for `seconds` at most."""
        poll = select.poll()  # no selector: that takes a descriptor, and where none is left the run would seem lost
        poll.register(self, select.POLLIN | (select.POLLOUT if self.pending else 0))
        for other in others:
            poll.register(other, select.POLLIN)
        poll.poll(None if seconds is None else 1000 * seconds)

    def put(self, frame: bytes) -> None:
        """Have a frame sent by `flush`, now or later."""
        self._outbox.append(memoryview(frame))
        self.pending += len(frame)

    def flush(self) -> None:
        """Send what the other side takes at once. If that side is gone, drop the rest: `receive` raises then."""
        while self._outbox:
            try:
                sent = self._socket.send(self._outbox[0])
            except BlockingIOError:
                return
            except ConnectionError:
                self._outbox.clear()
                self.pending = 0
                return
            self.pending -= sent
            if sent == len(self._outbox[0]):
                self._outbox.popleft()
            else:
                self._outbox[0] = self._outbox[0][sent:]

    def receive(self, size: int = _CHUNK) -> Iterator[bytes]:
        """The frames that are complete by now; at most `size` bytes are read.

        Raises `EOFError` or `OSError` if the other side has disconnected, `WireError` for too long a frame.
        """
        try:
            data = self._socket.recv(size)
        except BlockingIOError:
            return
        if not data:
            raise EOFError
        self.heard_at = time.monotonic()
        yield from self._frames.feed(data)

    def close(self) -> None:
        """Disconnect."""
        self._socket.close()
