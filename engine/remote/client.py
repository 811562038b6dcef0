"""A viewer's end of a run in another process, over the run's socket."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import threading
import time
from collections import deque
from pathlib import Path

from engine.errors import UserError
from engine.remote import codec
from engine.remote.archive import ArchiveLink, last_snapshot, past_events
from engine.remote.codec import WireError
from engine.remote.connection import Connection, connect
from engine.runs.lock import holder
from engine.runs.reader import RunReader
from engine.runs.record import RunInfo
from engine.session.link import Mailbox
from engine.session.messages import (
    Command,
    Event,
    Link,
    MomentRecorded,
    Notice,
    SampleFinished,
    SetView,
    Snapshot,
    StateChanged,
    Stop,
)

HANDSHAKE_SECONDS = 5.0  # within which a run must say which one it is
FAREWELL_SECONDS = 0.5  # within which the run must take the last commands
RETRY_SECONDS = 0.1  # between two attempts to connect again
TRIES = 50  # attempts before the viewer hears of them
RECONNECTED = "The connection to the run was lost and made again; keys pressed meanwhile may be lost"
OUTBOX_LIMIT = 1 << 20  # bytes of commands that may wait for a run that does not read


class RemoteLink(Mailbox):
    """Implements `engine.session.messages.Link` over the socket of the run in `directory`.

    Its first events are the samples and moments on disk, unless `past` is false, for a viewer that has seen
    them. When the run's process ends, the link answers like an `ArchiveLink`; when another process resumes the
    run, it connects to that one. Raises `UserError` if no process answers, or one of another version.
    """

    def __init__(self, directory: Path, *, past: bool = True) -> None:
        super().__init__()
        self._directory = directory
        self._frames: deque[bytes] = deque()  # not yet given to the connection
        self._asked = False
        self._latest: Snapshot | None = None  # what the next one may refer to
        self._past: set[object] = set()  # events that were read from disk and may still arrive
        self._view: SetView | None = None
        self._sending = threading.Lock()  # the viewer's thread sends, and this link's own once it has reconnected
        self._sent = 0  # commands, over all connections
        self._before = 0  # those of them that went over earlier connections
        self._archive: ArchiveLink | None = None  # once the run's process has ended
        self._connection, self.info, self._early = shake_hands(directory)
        if past:
            # Read after the run began to send: some of it may arrive again, nothing is missed.
            for event in past_events(RunReader(directory)):
                self.queue(event)
                self._past.add(_identity(event))
        self._connected = True
        self._closing = threading.Event()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="attached", daemon=True)
        self._thread.start()

    # --- for the screen ----------------------------------------------------------------------

    def take(self) -> Snapshot | None:
        archive = self._archive
        if archive is not None:
            return self._with_last_answers(archive.take())
        snapshot = super().take()
        self._ask()
        return snapshot

    def events(self) -> list[Event]:
        archive = self._archive
        return super().events() + (archive.events() if archive is not None else [])

    def send(self, command: Command) -> int:
        with self._sending:
            return self._send(command)

    def _send(self, command: Command) -> int:
        if isinstance(command, SetView):
            self._view = command
        archive = self._archive
        if archive is not None:
            self._sent = self._before + archive.send(command)
        elif self._connected and self._connection.pending < OUTBOX_LIMIT:
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
        self._close_archive()

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
        while not self._closing.is_set():
            try:
                self._exchange()
            except (OSError, EOFError):
                self._connected = False
                self._connection.close()
                self._wait_for_another()
            except WireError as error:
                self._connected = False
                self.queue(Notice(f"The run sent a message that this viewer does not understand: {error}", "error"))
                break
        if self._connected:
            self._say_farewell()
        for resource in (self._connection, self._wake, self._woken):
            resource.close()

    def _exchange(self) -> None:
        """Wait until there is something to send or to read, and do it."""
        while self._early:
            self._receive(self._early.pop(0))
        self._connection.wait(None, self._woken)
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)
        self._put_commands()
        for frame in self._connection.receive():
            self._receive(frame)

    def _put_commands(self) -> None:
        while self._frames:
            self._connection.put(self._frames.popleft())
        self._connection.flush()

    def _receive(self, frame: bytes) -> None:
        message = codec.decode(frame, (Snapshot, *codec.EVENTS), self._latest)
        if isinstance(message, Snapshot):
            codec.require_possible(message)
            self._latest = message = self._counted(message)
            self.put(message)
            self._asked = False
        elif _identity(message) not in self._past:
            self.queue(message)

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

    def _wait_for_another(self) -> None:
        """Show how the run ended, if it did, and wait until another process has it and answers."""
        tries, reported = 0, False
        while not self._closing.is_set():
            if holder(self._directory) is not None:
                with contextlib.suppress(UserError):  # it has only just begun, or is about to end
                    self._reconnect()
                    return
                tries += 1
                if tries == TRIES:
                    self.queue(Notice("The run's process does not answer any more", "error"))
            elif not reported:
                self._report_end()
                reported = True
            self._closing.wait(RETRY_SECONDS)

    def _reconnect(self) -> None:
        connected = shake_hands(self._directory)
        with self._sending:
            self._connection, self.info, self._early = connected
            archive, self._archive = self._archive, None
            self._frames.clear()
            self._before = self._sent
            self._asked = False
            self._connected = True
            if self._view is not None:
                self._send(self._view)
        if archive is not None:
            archive.close()
        self.queue(Notice(RECONNECTED, "warning"))

    def _report_end(self) -> None:
        try:
            run, archive = RunReader(self._directory), ArchiveLink(self._directory, past=False)
        except UserError as error:
            self.queue(Notice(str(error), "error"))
            return
        last = last_snapshot(run)
        if last.state == "crashed":
            self.queue(StateChanged(last.state, last.step, last.reason))
        with self._sending:
            self._before = self._sent
            if self._view is not None:
                archive.send(self._view)
            self._archive = archive

    def _with_last_answers(self, snapshot: Snapshot | None) -> Snapshot | None:
        """A snapshot of the archive, with the live run's last answers where the archive has none yet."""
        latest = self._latest
        if snapshot is None or latest is None:
            return snapshot and self._counted(snapshot)
        return dataclasses.replace(
            self._counted(snapshot),
            sample=snapshot.sample or latest.sample,
            gradients=snapshot.gradients or latest.gradients,
            connectivity=snapshot.connectivity or latest.connectivity,
            cells=snapshot.cells or latest.cells,
        )

    def _close_archive(self) -> None:
        archive, self._archive = self._archive, None
        if archive is not None:
            archive.close()


def _identity(event: Event) -> tuple[object, ...] | None:
    """Equal for an event that was read from disk and for the same event from the socket."""
    match event:
        case SampleFinished(sample):
            return sample.step, sample.text
        case MomentRecorded(flow):
            return flow.step, flow.view, flow.layer, flow.state
    return None


def shake_hands(directory: Path) -> tuple[Connection, RunInfo, list[bytes]]:
    """A connection to the run in `directory`, which run it is, and the frames that arrived with that.

    `RunInfo.detached` is true: a run in another process goes on when the viewer leaves. Raises `UserError` if
    no process answers, or none that speaks this protocol.
    """
    connection = Connection(connect(directory), codec.REPORT_LIMIT)
    try:
        connection.put(codec.encode(codec.Hello()))
        connection.flush()
        info, frames = _read_greeting(connection)
    except (OSError, EOFError, WireError) as error:
        connection.close()
        raise UserError(
            f"{directory}: the run's process does not answer as it should ({error or 'it disconnected'}); "
            "is it another version of charrnn-tui, or another user's?"
        ) from None
    if isinstance(info, Notice):
        connection.close()
        raise UserError(f"{directory}: {info.text}")
    # Where the run lies, the viewer knows itself: it writes there, and takes no path from the other side.
    return connection, dataclasses.replace(info, detached=True, directory=os.path.abspath(directory)), frames


def _read_greeting(connection: Connection) -> tuple[RunInfo | Notice, list[bytes]]:
    """What the run says after its hello, which run it is or why it takes no viewer, and the frames after that."""
    frames: list[bytes] = []
    deadline = time.monotonic() + HANDSHAKE_SECONDS
    while (seconds := deadline - time.monotonic()) > 0:
        connection.wait(seconds)
        frames += connection.receive()
        if frames:
            hello = codec.decode(frames[0], (codec.Hello,))
            if hello != codec.Hello():
                raise WireError(f"it speaks protocol {hello.protocol}, this program {codec.PROTOCOL}")
        if len(frames) > 1:
            return codec.decode(frames[1], (RunInfo, Notice)), frames[2:]
    raise WireError("it says nothing")


def stop_run(directory: Path) -> None:
    """Save and stop the run in `directory`, which another process has. Raises `UserError` if no process answers."""
    with contextlib.closing(RemoteLink(directory, past=False)) as link:
        link.send(Stop(save=True))


def open_link(directory: Path) -> Link:
    """A link to the run in `directory`: over its socket where a process has it, else to its files."""
    return RemoteLink(directory) if RunReader(directory).pid is not None else ArchiveLink(directory)
