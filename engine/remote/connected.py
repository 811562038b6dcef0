"""A viewer's end of a connection to a run: what goes over it, while it holds."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable

from engine.errors import closed_on_failure
from engine.remote import codec
from engine.remote.codec import WireError
from engine.remote.handshake import Greeted
from engine.remote.past import Seen, unseen_snapshot
from engine.session.local_link import Mailbox
from engine.session.messages import Command, Event, Notice, SetView, Snapshot
from engine.session.threads import require_thread

FAREWELL_SECONDS = 0.5  # within which the run must take the last commands
SILENCE_SECONDS = 10.0  # without the snapshot that was asked for, before the viewer hears of it
SILENT = "the run does not answer: it is busy with a long step, or its process is suspended"
LOOK_AGAIN = "leave, and open the run again with the version of the program that trains it"
RECONNECTED = "The connection to the run was lost and made again; keys pressed meanwhile may be lost"
OUTBOX_LIMIT = 1 << 20  # bytes of commands that may wait for a run that does not read


class ConnectedLink(Mailbox, ABC):
    """The part of `engine.session.messages.Link` that does not depend on where the run is.

    A thread, begun by `start`, sends commands and receives snapshots and events over `greeted`, a connection on which
    hands were shaken. When the connection is lost, a subclass says in `reconnect` what follows. While the link knows
    nothing of the run, its snapshots are not `live`, and their `reason` says why. Events in `seen` (see `identities`)
    are left out.
    """

    is_remote = True
    kinds: tuple[type, ...] = (Snapshot, *codec.EVENTS)  # of the messages that are understood

    def __init__(self, greeted: Greeted, seen: Iterable[int] = ()) -> None:
        super().__init__()
        self._connection, self.info, self._early = greeted
        self._frames: deque[bytes] = deque()  # not yet given to the connection
        self._asked = False
        self._latest: Snapshot | None = None  # what the next one may refer to
        self._seen = Seen(seen)  # what arrives may have been seen before
        self._heard_at = time.monotonic()
        self._view: SetView | None = None
        self._sending = threading.Lock()  # the viewer's thread sends, and this link's own once it has reconnected
        self._sent = 0  # commands, over all connections
        self._before = 0  # those of them that went over earlier connections
        self._connected = True
        self._closing = threading.Event()

    def start(self) -> None:
        """Begin to exchange messages. Raises `UserError` if the system allows no other thread."""
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        with closed_on_failure(self._wake.close), closed_on_failure(self._woken.close):
            self._thread = require_thread("attached", self._run)

    @abstractmethod
    def reconnect(self) -> None:
        """Wait until there is another connection, and call `_go_on_over` with it, or until the viewer leaves."""

    # --- for the screen ----------------------------------------------------------------------

    def take(self) -> Snapshot | None:
        snapshot = super().take()
        self._ask()
        return snapshot

    def send(self, command: Command) -> int:
        with self._sending:
            return self._send(command)

    def _send(self, command: Command) -> int:
        if isinstance(command, SetView):
            self._view = command
        if self._connected and self._connection.pending < OUTBOX_LIMIT:
            try:
                self._frames.append(codec.encode(command, limit=codec.COMMAND_LIMIT))
            except WireError as error:
                self.queue(Notice(str(error), "error"))
                return self._sent
            self._sent += 1
            self._ask()
            self._rouse()
        return self._sent

    def close(self) -> None:
        self._closing.set()
        self._rouse()
        self._thread.join(2 * FAREWELL_SECONDS)

    def _ask(self) -> None:
        if self._connected and not self._asked:
            self._asked = True
            self._frames.append(codec.encode(codec.Take()))
            self._rouse()

    def _rouse(self) -> None:
        with contextlib.suppress(OSError):  # it is awake already, or gone
            self._wake.send(b"\0")

    # --- the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                try:
                    self._exchange()
                except (OSError, EOFError):
                    self._connected = False
                    self._connection.close()
                    self.reconnect()
        except WireError as error:
            self._lose_touch(f"the run sent a message that this viewer does not understand ({error}); {LOOK_AGAIN}")
        except Exception as error:
            traceback.print_exc()
            self._lose_touch(f"this viewer failed ({type(error).__name__}: {error}); {LOOK_AGAIN}")
        if self._connected:
            self._say_farewell()
        for resource in (self._connection, self._wake, self._woken):
            resource.close()

    def _exchange(self) -> None:
        """Wait until there is something to send or to read, and do it."""
        while self._early:
            self._receive(self._early.pop(0))
        self._connection.wait(self._patience(), self._woken)
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)
        self._put_commands()
        for frame in self._connection.receive():
            self._receive(frame)
        self._watch_silence()

    def _patience(self) -> float | None:
        """Seconds after which to watch the silence although nothing came; None: not at all."""
        return SILENCE_SECONDS if self._asked else None

    def _watch_silence(self) -> None:
        """Warn if the run owes a snapshot for long."""
        now = time.monotonic()
        if not self._asked:
            self._heard_at = now
        elif now - self._heard_at >= SILENCE_SECONDS and self._latest is not None:
            self.put(dataclasses.replace(self._latest, warning=SILENT))

    def _put_commands(self) -> None:
        while self._frames:
            self._connection.put(self._frames.popleft())
        self._connection.flush()

    def _receive(self, frame: bytes) -> None:
        message = codec.decode(frame, self.kinds, self._latest)
        self._heard_at = time.monotonic()
        if isinstance(message, Snapshot):
            codec.require_possible(message)
            self._latest = message = self._counted(message)
            self.put(message)
            self._asked = False
        else:
            self._hear(message)

    def _hear(self, event: Event) -> None:
        """Queue an event, unless it came before."""
        if self._seen.add(event):
            self.queue(event)

    def _counted(self, snapshot: Snapshot) -> Snapshot:
        """`snapshot` with this link's count: after each new connection, the other side counts from 0 again."""
        return dataclasses.replace(snapshot, obeyed=self._before + snapshot.obeyed)

    def _say_farewell(self) -> None:
        deadline = time.monotonic() + FAREWELL_SECONDS
        with contextlib.suppress(OSError):
            self._put_commands()
            while self._connection.pending and time.monotonic() < deadline:
                time.sleep(0.01)
                self._connection.flush()

    # --- after the connection was lost -------------------------------------------------------

    def _lose_touch(self, reason: str) -> None:
        """Say that this viewer does not know any more what the run does, and why."""
        self._connected = False
        latest = self._latest or unseen_snapshot(self.info)
        self.queue(Notice(reason, "error"))
        self.put(dataclasses.replace(latest, obeyed=self._sent, live=False, reason=reason, warning=""))

    def _go_on_over(self, greeted: Greeted) -> None:
        """Go on over another connection, with the view that was asked for last. `_sending` is held."""
        self._connection, self.info, self._early = greeted
        self._frames.clear()
        self._before = self._sent
        self._asked = False
        self._connected = True
        if self._view is not None:
            self._send(self._view)
        self._heard_at = time.monotonic()
