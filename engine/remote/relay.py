"""Passes a run on to one viewer on another machine, over two pipes: the run's end of `engine.remote.far`."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import time
from collections import deque
from collections.abc import Iterator
from functools import partial

from engine.remote import codec
from engine.remote.codec import WireError
from engine.remote.served import ServedViewer
from engine.runs.record import RunInfo
from engine.session.messages import Command, Event, Link, SampleFinished, Snapshot
from engine.session.threads import require_thread

GREETING = b"\ncharrnn-tui: a run follows\n"  # a login may print words of its own before it
POLL_SECONDS = 0.03  # between two looks for new events and snapshots
BEAT_SECONDS = 5.0  # between two signs of life, by which the viewer knows that the line holds
HELLO_SECONDS = 30.0  # within which the viewer must say hello
FLUSH_SECONDS = 2.0  # within which the line must take the last words
MOST_PAST = 200  # finished samples that are sent at the beginning, the last ones: a line may be slow
_CHUNK = 1 << 16  # bytes read at a time


def relay(link: Link, incoming: int, outgoing: int) -> None:
    """Serve `link` to the viewer that writes into `incoming` and reads from `outgoing`, until it has left.

    The two are file descriptors. The link is closed then; the run goes on.
    """
    with _over_pipes(incoming, outgoing) as connected:
        viewer = ServedViewer(connected, _Relayed(link))
        begun = beat = time.monotonic()
        try:
            while viewer.is_greeted or time.monotonic() - begun < HELLO_SECONDS:
                viewer.connection.wait(POLL_SECONDS)
                viewer.hear(_CHUNK)
                viewer.report()
                if viewer.is_greeted and time.monotonic() - beat >= BEAT_SECONDS and not viewer.connection.pending:
                    viewer.connection.put(codec.encode(codec.Hello()))
                    beat = time.monotonic()
        except (OSError, EOFError, WireError):  # it has left, or is none
            pass
        finally:
            viewer.close()
            link.close()


class _Relayed:
    """A link as one viewer uses it, which counts its own commands: a run that has ended does not count them all."""

    is_full = False

    def __init__(self, link: Link) -> None:
        self._link = link
        self._waiting: deque[int] = deque()  # what the link's count must reach, for each command not yet obeyed
        self._sent = self._obeyed = 0  # commands
        self._last: Snapshot | None = None
        self._is_first = True

    @property
    def info(self) -> RunInfo:
        return self._link.info

    def connect(self) -> _Relayed:
        return self

    def take(self) -> Snapshot | None:
        snapshot = self._link.take()
        if snapshot is None:
            if self._last is None or not (self._last.is_over and self._count(self._last)):
                return None
            snapshot = self._last  # a run that has ended says nothing new, but the viewer waits for an answer
        self._last = snapshot
        self._count(snapshot)
        return dataclasses.replace(snapshot, obeyed=self._obeyed)

    def _count(self, snapshot: Snapshot) -> bool:
        """Note how many commands are obeyed in `snapshot`; return whether they are more than before."""
        before = self._obeyed
        while self._waiting and self._waiting[0] <= snapshot.obeyed:
            self._waiting.popleft()
            self._obeyed += 1
        return self._obeyed > before

    def events(self) -> list[Event]:
        events = self._link.events()
        if self._is_first and events:
            self._is_first = False
            samples = [event for event in events if isinstance(event, SampleFinished)]
            left_out = set(map(id, samples[:-MOST_PAST]))
            events = [event for event in events if id(event) not in left_out]
        return events

    def send(self, command: Command) -> int:
        self._sent += 1
        self._waiting.append(self._link.send(command))
        return self._sent

    def close(self) -> None:
        """Nothing: `relay` closes the link, whether the viewer was greeted or not."""


@contextlib.contextmanager
def _over_pipes(incoming: int, outgoing: int) -> Iterator[socket.socket]:
    """A socket to what the two descriptors lead to; two threads carry its bytes. It begins with the `GREETING`."""
    ours, theirs = socket.socketpair()
    with ours:
        ours.sendall(GREETING)
        require_thread("from the viewer", partial(_read_into, incoming, theirs))
        writer = require_thread("to the viewer", partial(_write_from, theirs, outgoing))
        yield ours
    writer.join(FLUSH_SECONDS)


def _read_into(incoming: int, theirs: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the relay has ended
        while data := os.read(incoming, _CHUNK):
            theirs.sendall(data)
    with contextlib.suppress(OSError):
        theirs.shutdown(socket.SHUT_WR)


def _write_from(theirs: socket.socket, outgoing: int) -> None:
    with contextlib.suppress(OSError):  # the viewer has left
        while data := theirs.recv(_CHUNK):
            view = memoryview(data)
            while view:
                view = view[os.write(outgoing, view) :]
    with contextlib.suppress(OSError):
        theirs.shutdown(socket.SHUT_RDWR)
