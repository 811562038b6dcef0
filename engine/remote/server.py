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
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import UserError
from engine.remote.codec import WireError
from engine.remote.connection import SOCKET, listen, peer_uid
from engine.remote.served import ServedViewer
from engine.runs.lock import holder
from engine.session.threads import require_thread

if TYPE_CHECKING:
    from engine.runs.record import RunInfo
    from engine.session.local_link import LocalLink
    from engine.session.session import Session

POLL_SECONDS = 0.03  # between two looks whether a viewer's commands that wait can be passed on
SOCKET_SECONDS = 1.0  # between two looks whether the socket is still there
REST_SECONDS = 0.005  # after each look at which commands were read: reading takes time from the training
WAKES = 1 << 12  # bytes: one for each snapshot or event since the last look
READ_BYTES = 1 << 11  # that are read from all viewers together at a look
LEAST_READ = 1 << 7  # bytes that are read from each
MAX_VIEWERS = 64
MAX_STRANGERS = 64  # connections that have not said hello yet
HELLO_SECONDS = 2.0  # within which a viewer must say hello
SILENT_SECONDS = 60.0  # after which a viewer that says nothing makes room for another; one that shows something asks on
FULL = f"{MAX_VIEWERS} viewers look at this run already; close one of them"
FAREWELL_SECONDS = 0.5  # within which viewers must take the last events


class RunServer:
    """Serves `session` on the socket in its run's `directory` until `close`. The caller holds the run's lock.

    If the socket is deleted, alone or with the directory, which the run then makes again, another is made.

    Raises `UserError` if no socket or no thread can be made.
    """

    def __init__(self, session: Session, directory: Path) -> None:
        self._session, self._directory = session, directory
        self._closing = False
        self._has_heard = False  # from a viewer, at this look
        self._viewers: list[ServedViewer] = []
        with contextlib.ExitStack() as on_failure:
            self._listener = on_failure.enter_context(listen(directory))
            self._looked_at = time.monotonic()  # for the socket
            try:
                self._wake, self._woken = map(on_failure.enter_context, socket.socketpair())
                self._wake.setblocking(False)
                self._selector = on_failure.enter_context(selectors.DefaultSelector())
                self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
                self._selector.register(self._woken, selectors.EVENT_READ, lambda: self._woken.recv(WAKES))
                self._thread = require_thread("viewers", self._serve)
            except OSError as error:  # no more descriptors are allowed
                problem = f"viewers cannot be served ({error.strerror or error})"
                raise UserError(f"{directory}: {problem}; raise the system's limits") from None
            on_failure.pop_all()

    def close(self) -> None:
        """Send the viewers the last events, disconnect them, and remove the socket."""
        self._closing = True
        self._rouse()
        self._thread.join()
        self._wake.close()

    def _rouse(self) -> None:
        """Have the thread look for what is new. It does not look again and again: the training would wait for it."""
        with contextlib.suppress(OSError):  # it has so many to look at already, or is closed
            self._wake.send(b"\0")

    @property
    def info(self) -> RunInfo:
        """The first message to every viewer."""
        return self._session.info

    def connect(self) -> LocalLink:
        """A link to the run for one more viewer."""
        link = self._session.connect()
        link.on_news = self._rouse
        return link

    def _serve(self) -> None:
        while not (self._closing or self._session.is_over):
            is_waiting = any(viewer.has_waiting for viewer in self._viewers)
            ready = self._selector.select(POLL_SECONDS if is_waiting else SOCKET_SECONDS)
            for key, _ in ready:
                key.data()
            self._keep_socket()
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

    def _keep_socket(self) -> None:
        """Make the socket again if it is not there any more, in a directory that is this run's."""
        now = time.monotonic()
        if now - self._looked_at < SOCKET_SECONDS:
            return
        self._looked_at = now
        directory = self._session.directory  # the run may have found it elsewhere, or made it again
        if os.path.lexists(directory / SOCKET) or holder(directory) != os.getpid():
            return
        with contextlib.suppress(UserError):  # the next look tries again
            listener = listen(directory)
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = listener
            self._selector.register(listener, selectors.EVENT_READ, self._accept)

    def _accept(self) -> None:
        try:
            connected, _ = self._listener.accept()
        except OSError:
            time.sleep(POLL_SECONDS)  # most likely no file descriptor is free; the viewer waits meanwhile
            return
        try:
            is_ours = peer_uid(connected) == os.geteuid()
        except OSError:  # it has left already
            is_ours = False
        if not is_ours:
            connected.close()
            return
        strangers = [viewer for viewer in self._viewers if not viewer.is_greeted]
        if len(strangers) >= MAX_STRANGERS:
            self._disconnect(strangers[0])  # who says hello at once is never the oldest of so many
        viewer = ServedViewer(connected, self, self._has_room, FULL)
        self._viewers.append(viewer)
        self._watch(viewer)

    def _drop_strangers(self) -> None:
        """Disconnect those that have not said hello in time."""
        latest = time.monotonic() - HELLO_SECONDS
        for viewer in tuple(self._viewers):
            if not viewer.is_greeted and viewer.heard_at < latest:
                self._disconnect(viewer)

    def _has_room(self) -> bool:
        """Whether one more viewer can be greeted; disconnects for it the one that has been silent for very long.

        A viewer that has left takes no room, though what it sent before may not have been read yet.
        """
        greeted = [viewer for viewer in self._viewers if viewer.is_greeted]
        if len(greeted) < MAX_VIEWERS:
            return True
        left = [viewer for viewer in greeted if viewer.connection.is_left]
        for viewer in left[: max(0, len(left) - MAX_VIEWERS)]:
            self._disconnect(viewer)  # with what it sent: many more cannot wait
        here = [viewer for viewer in greeted if viewer not in left]
        if len(here) < MAX_VIEWERS:
            return True
        most_silent = min(here, key=lambda viewer: viewer.heard_at)
        if most_silent.heard_at > time.monotonic() - SILENT_SECONDS:
            return False
        self._disconnect(most_silent)
        return True

    def _hear(self, viewer: ServedViewer) -> None:
        self._has_heard |= viewer.is_greeted
        size = max(LEAST_READ, READ_BYTES // len(self._viewers))
        self._guard(viewer, lambda: viewer.hear(size))

    def _report(self) -> None:
        for viewer in tuple(self._viewers):
            self._guard(viewer, viewer.report)

    def _guard(self, viewer: ServedViewer, action: Callable[[], None]) -> None:
        """Call `action` for a viewer. If it fails, only this viewer is disconnected."""
        if viewer not in self._viewers:
            return
        try:
            action()
        except (OSError, EOFError, WireError):
            self._disconnect(viewer)
            return
        self._watch(viewer)

    def _watch(self, viewer: ServedViewer) -> None:
        """Have the selector wake up for what `viewer` waits for now."""
        wanted = viewer.wanted
        if wanted == viewer.watched:
            return
        if viewer.watched:
            self._selector.unregister(viewer.connection)
        if wanted:
            self._selector.register(viewer.connection, wanted, lambda: self._hear(viewer))
        viewer.watched = wanted

    def _disconnect(self, viewer: ServedViewer) -> None:
        self._viewers.remove(viewer)
        if viewer.watched:
            self._selector.unregister(viewer.connection)
        viewer.close()
