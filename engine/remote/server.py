"""The run's end of its socket: one thread for all viewers. No viewer can hold up the run or another viewer.

A viewer gets a snapshot only when it asks, and the next one only after it has taken that one. Events wait for a viewer
up to a limit; a viewer that lets more pile up is disconnected. So is one that sends anything but commands.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engine.remote import codec
from engine.remote.codec import WireError
from engine.remote.connection import SOCKET, Connection, listen, peer_uid
from engine.session.messages import Link, Snapshot

if TYPE_CHECKING:
    from engine.session.session import Session

POLL_SECONDS = 0.03  # between two looks for new events and snapshots
BACKLOG_LIMIT = 1 << 23  # bytes of events that may wait for a viewer
MAX_VIEWERS = 64
FAREWELL_SECONDS = 0.5  # within which viewers must take the last events


class RunServer:
    """Serves `session` on the socket in its run's `directory` until `close`. The caller holds the run's lock.

    Raises `UserError` if no socket can be made.
    """

    def __init__(self, session: Session, directory: Path) -> None:
        self._session, self._directory = session, directory
        self._listener = listen(directory)
        self._wake, self._woken = socket.socketpair()
        self._closing = False
        self._viewers: list[_Viewer] = []
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._woken, selectors.EVENT_READ, lambda: None)
        self._thread = threading.Thread(target=self._serve, name="viewers", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Send the viewers the last events, disconnect them, and remove the socket."""
        self._closing = True
        with contextlib.suppress(OSError):  # it was closed before
            self._wake.send(b"\0")
        self._thread.join()
        self._wake.close()

    def _serve(self) -> None:
        while not (self._closing or self._session.is_over):
            for key, _ in self._selector.select(POLL_SECONDS if self._viewers else None):
                key.data()
            self._report()
        with contextlib.suppress(OSError):
            (self._directory / SOCKET).unlink()
        deadline = time.monotonic() + FAREWELL_SECONDS
        self._report()
        while any(viewer.connection.pending for viewer in self._viewers) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            self._report()
        for viewer in tuple(self._viewers):
            self._disconnect(viewer)
        for resource in (self._selector, self._listener, self._woken):
            resource.close()

    def _accept(self) -> None:
        try:
            connected, _ = self._listener.accept()
        except OSError:
            time.sleep(POLL_SECONDS)  # most likely no file descriptor is free; the viewer waits meanwhile
            return
        if peer_uid(connected) != os.geteuid() or len(self._viewers) >= MAX_VIEWERS:
            connected.close()
            return
        viewer = _Viewer(connected, self._session)
        self._viewers.append(viewer)
        self._selector.register(viewer.connection, selectors.EVENT_READ, lambda: self._guard(viewer, viewer.obey))

    def _report(self) -> None:
        for viewer in tuple(self._viewers):
            self._guard(viewer, viewer.report)

    def _guard(self, viewer: _Viewer, action: Callable[[], None]) -> None:
        """Call `action` for a viewer. If it fails, only this viewer is disconnected."""
        if viewer not in self._viewers:
            return
        try:
            action()
        except (OSError, EOFError, WireError):
            self._disconnect(viewer)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if viewer.connection.pending else 0)
        self._selector.modify(viewer.connection, wanted, self._selector.get_key(viewer.connection).data)

    def _disconnect(self, viewer: _Viewer) -> None:
        self._viewers.remove(viewer)
        self._selector.unregister(viewer.connection)
        viewer.close()


class _Viewer:
    """One connection and its link to the session."""

    def __init__(self, connected: socket.socket, session: Session) -> None:
        self.connection = Connection(connected, codec.COMMAND_LIMIT)
        self.connection.put(codec.encode(codec.Hello()))
        self._session = session
        self._link: Link | None = None  # None until it has sent its `Hello`
        self._asked = False
        self._snapshot: Snapshot | None = None  # the last one it was sent
        self._commands = 0  # that it has sent
        self._backlog = 0  # bytes of events since it had taken everything

    def obey(self) -> None:
        """Pass the viewer's commands on to the session."""
        for frame in self.connection.receive():
            if self._link is None:
                self._link = self._greet(frame)
                continue
            message = codec.decode(frame, (codec.Take, *codec.COMMANDS))
            if isinstance(message, codec.Take):
                self._asked = True
            else:
                self._commands = self._link.send(message)

    def _greet(self, frame: bytes) -> Link:
        if codec.decode(frame, (codec.Hello,)) != codec.Hello():
            raise WireError("another protocol")
        link = self._session.connect()
        self.connection.put(codec.encode(self._session.info))
        return link

    def report(self) -> None:
        """Send new events, and a snapshot if one was asked for, as far as the viewer takes them."""
        for event in self._link.events() if self._link is not None else ():
            frame = codec.encode(event)
            self._backlog += len(frame)
            self.connection.put(frame)
        self.connection.flush()
        if self._link is not None and self._asked and not self.connection.pending:
            self._send_snapshot(self._link)
        if not self.connection.pending:
            self._backlog = 0
        elif self._backlog > BACKLOG_LIMIT:
            raise WireError("a viewer that does not read")

    def _send_snapshot(self, link: Link) -> None:
        snapshot = link.take()
        if snapshot is not None and snapshot.obeyed >= self._commands:  # not one from before its last command
            self.connection.put(codec.encode(snapshot, self._snapshot))
            self.connection.flush()
            self._snapshot, self._asked = snapshot, False

    def close(self) -> None:
        """Leave the session and disconnect."""
        if self._link is not None:
            self._link.close()
        self.connection.close()
