"""A viewer's end of a run in another process, over the run's socket."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from engine.errors import UserError
from engine.remote import codec
from engine.remote.archive import ArchiveLink
from engine.remote.codec import WireError
from engine.remote.handshake import shake_hands
from engine.remote.past import Seen, last_snapshot, past_events, unseen_snapshot
from engine.runs.lock import holder
from engine.runs.reader import RunReader
from engine.runs.record import CONFIG, read_record
from engine.session.link import Mailbox
from engine.session.messages import (
    Command,
    Event,
    Link,
    Notice,
    SetView,
    Snapshot,
    StateChanged,
    Stop,
)
from engine.session.start import closed_on_failure

FAREWELL_SECONDS = 0.5  # within which the run must take the last commands
RETRY_SECONDS = 0.1  # between two attempts to connect again
TRIES = 10  # attempts before the viewer hears of them
SILENCE_SECONDS = 10.0  # without the snapshot that was asked for, before the viewer hears of it
SILENT = "the run does not answer: it is busy with a long step, or its process is suspended"
LOOK_AGAIN = "leave, and open the run again with the version of the program that trains it"
REPLACED = "another run has this run's name now; leave, and open this one by its new name"
GONE = "the run's directory is gone; if it was only renamed, leave, and open it by its new name"
RECONNECTED = "The connection to the run was lost and made again; keys pressed meanwhile may be lost"
OUTBOX_LIMIT = 1 << 20  # bytes of commands that may wait for a run that does not read


class RemoteLink(Mailbox):
    """Implements `engine.session.messages.Link` over the socket of the run in `directory`.

    Its first events are the samples on disk but for those in `seen` (see `identities`); with `past` false
    it never reads any from disk. When the run's process ends, the link answers like an `ArchiveLink`; when another
    process resumes the run, it connects to that one. While it knows nothing of the run, its snapshots are not `live`,
    and their `reason` says why. Raises `UserError` if no process answers, or one of another version.
    """

    is_remote = True

    def __init__(self, directory: Path, *, past: bool = True, seen: Iterable[int] = ()) -> None:
        super().__init__()
        self._directory = directory
        self._frames: deque[bytes] = deque()  # not yet given to the connection
        self._asked = False
        self._latest: Snapshot | None = None  # what the next one may refer to
        self._past = past
        self._seen = Seen(seen)  # what arrives may stand on disk too
        self._heard_at = time.monotonic()
        self._view: SetView | None = None
        self._sending = threading.Lock()  # the viewer's thread sends, and this link's own once it has reconnected
        self._sent = 0  # commands, over all connections
        self._before = 0  # those of them that went over earlier connections
        self._archive: ArchiveLink | None = None  # once the run's process has ended
        self._connection, self.info, self._early = shake_hands(directory)
        self._created = _created(directory)  # by which it knows the run again
        with closed_on_failure(self._connection.close):
            self._read_past()  # after the run began to send: some of it arrives again, nothing is missed
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
        try:
            while not self._closing.is_set():
                try:
                    self._exchange()
                except (OSError, EOFError):
                    self._connected = False
                    self._connection.close()
                    self._wait_for_another()
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
        self._connection.wait(SILENCE_SECONDS if self._asked else None, self._woken)
        with contextlib.suppress(BlockingIOError):
            self._woken.recv(4096)
        self._put_commands()
        for frame in self._connection.receive():
            self._receive(frame)
        self._watch_silence()

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
        message = codec.decode(frame, (Snapshot, *codec.EVENTS), self._latest)
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

    def _read_past(self) -> None:
        """Queue the samples on disk that have not arrived."""
        if not self._past:
            return
        try:
            events = past_events(RunReader(self._directory))
        except UserError as error:  # what arrives from now on is shown all the same
            self.queue(Notice(str(error), "warning"))
            return
        for event in events:
            self._hear(event)

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
        tries, reported = 0, ""
        while not self._closing.is_set():
            if self._created and (_created(self._directory) or self._created) != self._created:
                if reported != REPLACED:
                    self._lose_touch(f"{self._directory}: {REPLACED}")
                reported = REPLACED
            elif holder(self._directory) is not None:
                try:
                    self._reconnect()
                except UserError as error:  # it has only just begun, or is about to end
                    tries += 1
                    if tries == TRIES:
                        self._lose_touch(str(error))
                else:
                    return
            elif self._archive is None and not (self._directory / CONFIG).exists():
                if reported != GONE:
                    self._lose_touch(f"{self._directory}: {GONE}")
                reported = GONE
            elif not reported or reported in (GONE, REPLACED):
                reported = "ended"
                self._report_end()
            self._closing.wait(RETRY_SECONDS)

    def _lose_touch(self, reason: str) -> None:
        """Say that this viewer does not know any more what the run does, and why."""
        self._connected = False
        latest = self._latest or unseen_snapshot(self.info)
        self.queue(Notice(reason, "error"))
        self.put(dataclasses.replace(latest, obeyed=self._sent, live=False, reason=reason, warning=""))

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
        self._heard_at = time.monotonic()
        self.queue(Notice(RECONNECTED, "warning"))
        self._read_past()

    def _report_end(self) -> None:
        try:
            run, archive = RunReader(self._directory), ArchiveLink(self._directory, past=False, alone=False)
        except UserError as error:
            self._lose_touch(str(error))
            return
        self._read_past()
        last = last_snapshot(run)
        if last.state == "crashed":
            self.queue(StateChanged(last.state, last.step, last.reason))
        with self._sending:
            self._before = self._sent
            if self._view is not None:
                archive.send(self._view)
            self._archive = archive
            super().take()  # what waits is older, and must not be seen once the run goes on

    def _with_last_answers(self, snapshot: Snapshot | None) -> Snapshot | None:
        """A snapshot of the archive, with the live run's last answers where the archive has none yet."""
        latest = self._latest
        if snapshot is None or latest is None or snapshot.moment != latest.moment:
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


def _created(directory: Path) -> str:
    """When the run in `directory` was made; empty if there is none that can be read."""
    try:
        return read_record(directory).created
    except UserError:
        return ""


def stop_run(directory: Path) -> None:
    """Save and stop the run in `directory`, which another process has. Raises `UserError` if no process answers."""
    with contextlib.closing(RemoteLink(directory, past=False)) as link:
        link.send(Stop(save=True))


def open_link(directory: Path) -> Link:
    """A link to the run in `directory`: over its socket where a process has it, else to its files.

    A run of a sweep that is trained on another machine has no socket here: the sweep's own process writes its files.
    """
    pid = RunReader(directory).pid
    is_here = pid is not None and pid != holder(Path(os.path.abspath(directory)).parent)
    return RemoteLink(directory) if is_here else ArchiveLink(directory)
