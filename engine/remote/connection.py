"""A run's Unix socket, and frames over it without ever waiting for the other side."""

from __future__ import annotations

import os
import socket
import struct
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import UserError
from engine.remote.codec import Frames

SOCKET = "run.sock"
MAX_PATH = 100  # bytes; the kernel's limit is 107 on Linux and 103 elsewhere
CONNECT_SECONDS = 5.0
_CHUNK = 1 << 18


def listen(directory: Path) -> socket.socket:
    """The listening socket of the run in `directory`, for its owner only. The caller holds the run's lock."""
    (directory / SOCKET).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    try:
        with _short_path(directory) as path:
            listener.bind(path)
        (directory / SOCKET).chmod(0o600)
        listener.listen()
    except OSError as error:
        listener.close()
        raise UserError(
            f"{directory}: no socket can be made there ({error.strerror or error}); choose another place for the run"
        ) from None
    listener.setblocking(False)
    return listener


def connect(directory: Path) -> socket.socket:
    """A connection to the run in `directory`; `UserError` where no process answers."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(CONNECT_SECONDS)
    try:
        with _short_path(directory) as path:
            connection.connect(path)
    except OSError as error:
        connection.close()
        if isinstance(error, PermissionError):
            raise UserError(f"{directory}: this run belongs to another user") from None
        raise UserError(f"{directory}: no process answers for this run; see its state in the list of runs") from None
    return connection


@contextmanager
def _short_path(directory: Path) -> Iterator[str]:
    """A path of the socket that is short enough for the kernel, which allows 107 bytes."""
    path = str(directory / SOCKET)
    if len(os.fsencode(path)) <= MAX_PATH:
        yield path
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)


def peer_uid(connection: socket.socket) -> int:
    """The user at the other end. Where the system does not tell, the socket's mode has to be enough."""
    if not hasattr(socket, "SO_PEERCRED"):
        return os.geteuid()
    credentials = struct.Struct("iII")  # pid, uid, gid
    uid: int = credentials.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size))[1]
    return uid


class Connection:
    """Frames in and out of a connected socket. Nothing here waits; one thread at a time may use it."""

    def __init__(self, connected: socket.socket, limit: int) -> None:
        """`limit` is the largest frame that is read, in bytes."""
        self.pending = 0  # bytes that the other side has not taken yet
        self._socket = connected
        self._socket.setblocking(False)
        self._frames = Frames(limit)
        self._outbox: deque[memoryview] = deque()

    def fileno(self) -> int:
        """For `select`."""
        return self._socket.fileno()

    def put(self, frame: bytes) -> None:
        """Send a frame as soon as the other side takes it."""
        self._outbox.append(memoryview(frame))
        self.pending += len(frame)

    def flush(self) -> None:
        """Send what is taken at once. Where the other side is gone there is nothing to send; `receive` will tell."""
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

    def receive(self) -> Iterator[bytes]:
        """The frames that are complete by now. `EOFError` or `OSError` at the end, `WireError` if one is too long."""
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return
        if not data:
            raise EOFError
        yield from self._frames.feed(data)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
