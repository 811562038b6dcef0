"""The run's end of its socket: one thread for all viewers. No viewer can hold up the run or another viewer.

A viewer gets a snapshot only when it asks, and the next one only after it has taken that one. Events wait for a viewer
up to a limit; a viewer that lets more pile up is disconnected. So is one that sends anything but commands, or does not
say hello in time. Of what viewers send only so much is read at a time, and nothing of a viewer whose commands the run
has yet to obey: the rest waits in the socket, and its sender with it.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import UserError
from engine.remote import codec
from engine.remote.codec import WireError
from engine.remote.connection import SOCKET, Connection, listen, peer_uid
from engine.session.link import LocalLink
from engine.session.messages import Notice, Snapshot

if TYPE_CHECKING:
    from engine.session.session import Session

POLL_SECONDS = 0.03  # between two looks for new events and snapshots
REST_SECONDS = 0.005  # after each look at which commands were read: reading takes time from the training
READ_BYTES = 1 << 11  # that are read from all viewers together at a look
LEAST_READ = 1 << 7  # bytes that are read from each
BACKLOG_LIMIT = 1 << 23  # bytes of events that may wait for a viewer
MAX_VIEWERS = 64
MAX_STRANGERS = 64  # connections that have not said hello yet
HELLO_SECONDS = 2.0  # within which a viewer must say hello
SILENT_SECONDS = 60.0  # after which a viewer that says nothing makes room for another; one that shows something asks on
FULL = f"{MAX_VIEWERS} viewers look at this run already; close one of them"
FAREWELL_SECONDS = 0.5  # within which viewers must take the last events


class RunServer:
    """Serves `session` on the socket in its run's `directory` until `close`. The caller holds the run's lock.

    Raises `UserError` if no socket or no thread can be made.
    """

    def __init__(self, session: Session, directory: Path) -> None:
        self._session, self._directory = session, directory
        self._closing = False
        self._has_heard = False  # from a viewer, at this look
        self._viewers: list[_Viewer] = []
        with contextlib.ExitStack() as on_failure:
            self._listener = on_failure.enter_context(listen(directory))
            try:
                self._wake, self._woken = map(on_failure.enter_context, socket.socketpair())
                self._selector = on_failure.enter_context(selectors.DefaultSelector())
                self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
                self._selector.register(self._woken, selectors.EVENT_READ, lambda: None)
                self._thread = threading.Thread(target=self._serve, name="viewers", daemon=True)
                self._thread.start()
            except (OSError, RuntimeError) as error:  # no more descriptors or threads are allowed
                raise UserError(f"{directory}: viewers cannot be served ({error}); raise the system's limits") from None
            on_failure.pop_all()

    def close(self) -> None:
        """Send the viewers the last events, disconnect them, and remove the socket."""
        self._closing = True
        with contextlib.suppress(OSError):  # it was closed before
            self._wake.send(b"\0")
        self._thread.join()
        self._wake.close()

    def _serve(self) -> None:
        while not (self._closing or self._session.is_over):
            ready = self._selector.select(POLL_SECONDS if self._viewers else None)
            for key, _ in ready:
                key.data()
            self._drop_strangers()
            self._report()
            if self._has_heard:
                time.sleep(REST_SECONDS)
                self._has_heard = False
        with contextlib.suppress(OSError):
            (self._session.directory / SOCKET).unlink()  # which may have been renamed meanwhile
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
        if peer_uid(connected) != os.geteuid():
            connected.close()
            return
        strangers = [viewer for viewer in self._viewers if not viewer.is_greeted]
        if len(strangers) >= MAX_STRANGERS:
            self._disconnect(strangers[0])  # who says hello at once is never the oldest of so many
        viewer = _Viewer(connected, self._session, self._has_room)
        self._viewers.append(viewer)
        self._watch(viewer)

    def _drop_strangers(self) -> None:
        """Disconnect those that have not said hello in time."""
        latest = time.monotonic() - HELLO_SECONDS
        for viewer in tuple(self._viewers):
            if not viewer.is_greeted and viewer.heard_at < latest:
                self._disconnect(viewer)

    def _has_room(self) -> bool:
        """Whether one more viewer can be greeted; disconnects for it the one that has been silent for very long."""
        greeted = [viewer for viewer in self._viewers if viewer.is_greeted]
        if len(greeted) < MAX_VIEWERS:
            return True
        most_silent = min(greeted, key=lambda viewer: viewer.heard_at)
        if most_silent.heard_at > time.monotonic() - SILENT_SECONDS:
            return False
        self._disconnect(most_silent)
        return True

    def _hear(self, viewer: _Viewer) -> None:
        self._has_heard |= viewer.is_greeted
        size = max(LEAST_READ, READ_BYTES // len(self._viewers))
        self._guard(viewer, lambda: viewer.hear(size))

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
        self._watch(viewer)

    def _watch(self, viewer: _Viewer) -> None:
        """Have the selector wake up for what `viewer` waits for now."""
        wanted = viewer.wanted
        if wanted == viewer.watched:
            return
        if viewer.watched:
            self._selector.unregister(viewer.connection)
        if wanted:
            self._selector.register(viewer.connection, wanted, lambda: self._hear(viewer))
        viewer.watched = wanted

    def _disconnect(self, viewer: _Viewer) -> None:
        self._viewers.remove(viewer)
        if viewer.watched:
            self._selector.unregister(viewer.connection)
        viewer.close()


class _Viewer:
    """One connection and its link to the session. `has_room` says whether it may look at the run."""

    def __init__(self, connected: socket.socket, session: Session, has_room: Callable[[], bool]) -> None:
        self.connection = Connection(connected, codec.COMMAND_LIMIT)
        self.connection.put(codec.encode(codec.Hello()))
        self.heard_at = time.monotonic()  # when it was accepted, and then when it last sent something
        self.watched = 0  # what the selector waits for
        self._session, self._has_room = session, has_room
        self._link: LocalLink | None = None  # None until it has sent its `Hello`
        self._frames: deque[bytes] = deque()  # from it that wait until the run has obeyed those before
        self._asked = False
        self._snapshot: Snapshot | None = None  # the last one it was sent
        self._commands = 0  # that it has sent
        self._backlog = 0  # bytes of events since it had taken everything

    @property
    def is_greeted(self) -> bool:
        """Whether it has said hello."""
        return self._link is not None

    @property
    def wanted(self) -> int:
        """What the selector should wait for."""
        read = 0 if self._frames else selectors.EVENT_READ
        return read | (selectors.EVENT_WRITE if self.connection.pending else 0)

    def hear(self, size: int) -> None:
        """Read what it has sent, at most `size` bytes, and pass its commands on to the session."""
        if self._frames:
            return
        self._frames.extend(self.connection.receive(size))
        if self.is_greeted or self._frames:
            self.heard_at = time.monotonic()
        self._pass_on()

    def _pass_on(self) -> None:
        while self._frames:
            if self._link is None:
                self._link = self._greet(self._frames.popleft())
            elif self._link.is_full:
                return
            else:
                message = codec.decode(self._frames.popleft(), (codec.Take, *codec.COMMANDS))
                if isinstance(message, codec.Take):
                    self._asked = True
                else:
                    self._commands = self._link.send(message)

    def _greet(self, frame: bytes) -> LocalLink:
        if codec.decode(frame, (codec.Hello,)) != codec.Hello():
            raise WireError("another protocol")
        if not self._has_room():
            self.connection.put(codec.encode(Notice(FULL, "error")))
            self.connection.flush()
            raise WireError("no room")
        link = self._session.connect()
        self.connection.put(codec.encode(self._session.info))
        return link

    def report(self) -> None:
        """Send new events, and a snapshot if one was asked for, as far as the viewer takes them."""
        self._pass_on()
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

    def _send_snapshot(self, link: LocalLink) -> None:
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
