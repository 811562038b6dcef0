"""A viewer as its run's end sees it: what it has asked for, and what it is sent.

It gets a snapshot only when it asks, and the next one only after it has taken that one. Events wait for it up to a
limit. Nothing here blocks.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from engine.remote import codec
from engine.remote.codec import WireError
from engine.remote.connection import Connection
from engine.runs.record import RunInfo
from engine.session.messages import Command, Event, Notice, Snapshot

BACKLOG_LIMIT = 1 << 23  # bytes of events that may wait for a viewer


class ServedLink(Protocol):
    """What a viewer's requests are passed on to: see `engine.session.messages.Link`."""

    @property
    def is_full(self) -> bool:
        """Whether so many commands wait for the run that no other is taken."""

    def take(self) -> Snapshot | None: ...

    def events(self) -> list[Event]: ...

    def send(self, command: Command) -> int: ...

    def close(self) -> None: ...


class Served(Protocol):
    """A run that viewers may look at."""

    @property
    def info(self) -> RunInfo: ...

    def connect(self) -> ServedLink:
        """A link for one more viewer."""


class ServedViewer:
    """One viewer's connection, and its link to the run that is `served`.

    `has_room` says whether it may look at the run; `full` is what it is told if not.
    """

    def __init__(
        self,
        connected: socket.socket,
        served: Served,
        has_room: Callable[[], bool] = lambda: True,
        full: str = "",
    ) -> None:
        self.connection = Connection(connected, codec.COMMAND_LIMIT)
        self.connection.put(codec.encode(codec.Hello()))
        self.heard_at = time.monotonic()  # when it was accepted, and then when it last sent something
        self.watched = 0  # what the selector waits for
        self._served, self._has_room, self._full = served, has_room, full
        self._link: ServedLink | None = None  # None until it has sent its `Hello`
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
    def has_waiting(self) -> bool:
        """Whether commands that it has sent wait until the run has obeyed those before."""
        return bool(self._frames)

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

    def _greet(self, frame: bytes) -> ServedLink:
        if codec.decode(frame, (codec.Hello,)) != codec.Hello():
            raise WireError("another protocol")
        if not self._has_room():
            self.connection.put(codec.encode(Notice(self._full, "error")))
            self.connection.flush()
            raise WireError("no room")
        link = self._served.connect()
        self.connection.put(codec.encode(self._served.info))
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

    def _send_snapshot(self, link: ServedLink) -> None:
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
