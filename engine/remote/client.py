"""A viewer's end of a run in another process, over the run's socket."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path

from engine.errors import UserError, closed_on_failure
from engine.remote.archive import ArchiveLink
from engine.remote.connected import RECONNECTED, ConnectedLink
from engine.remote.handshake import shake_hands
from engine.remote.past import last_snapshot, past_events
from engine.runs.lock import holder
from engine.runs.reader import RunReader
from engine.runs.record import CONFIG, read_record
from engine.session.messages import Command, Event, Link, Notice, SetView, Snapshot, StateChanged, Stop

RETRY_SECONDS = 0.1  # between two attempts to connect again
TRIES = 10  # attempts before the viewer hears of them
REPLACED = "another run has this run's name now; leave, and open this one by its new name"
GONE = "the run's directory is gone; if it was only renamed, leave, and open it by its new name"


class RemoteLink(ConnectedLink):
    """Implements `engine.session.messages.Link` over the socket of the run in `directory`.

    Its first events are the samples on disk but for those in `seen` (see `identities`); with `past` false
    it never reads any from disk. When the run's process ends, the link answers like an `ArchiveLink`; when another
    process resumes the run, it connects to that one. While it knows nothing of the run, its snapshots are not `live`,
    and their `reason` says why. Raises `UserError` if no process answers, or one of another version.
    """

    def __init__(self, directory: Path, *, past: bool = True, seen: Iterable[int] = ()) -> None:
        super().__init__(shake_hands(directory), seen)
        self._directory = directory
        self._past = past
        self._archive: ArchiveLink | None = None  # once the run's process has ended
        self._created = _created(directory)  # by which it knows the run again
        with closed_on_failure(self._connection.close):
            self._read_past()  # after the run began to send: some of it arrives again, nothing is missed
            self.start()

    # --- for the screen ----------------------------------------------------------------------

    def take(self) -> Snapshot | None:
        archive = self._archive
        return super().take() if archive is None else self._with_last_answers(archive.take())

    def events(self) -> list[Event]:
        archive = self._archive
        return super().events() + (archive.events() if archive is not None else [])

    def _send(self, command: Command) -> int:
        archive = self._archive
        if archive is None:
            return super()._send(command)
        if isinstance(command, SetView):
            self._view = command
        self._sent = self._before + archive.send(command)
        return self._sent

    def close(self) -> None:
        super().close()
        self._close_archive()

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

    # --- after the connection was lost -------------------------------------------------------

    def reconnect(self) -> None:
        """Show how the run ended, if it did, and wait until another process has it and answers."""
        tries, refusal, reported = 0, "", ""
        while not self._closing.is_set():
            if self._created and (_created(self._directory) or self._created) != self._created:
                if reported != REPLACED:
                    self._lose_touch(f"{self._directory}: {REPLACED}")
                reported = REPLACED
            elif holder(self._directory) is not None:
                try:
                    self._connect_again()
                except UserError as error:  # it has only just begun, or is about to end
                    tries += 1
                    if tries >= TRIES and str(error) != refusal:
                        refusal = str(error)
                        self._lose_touch(refusal)
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

    def _connect_again(self) -> None:
        connected = shake_hands(self._directory)
        with self._sending:
            archive, self._archive = self._archive, None
            self._go_on_over(connected)
        if archive is not None:
            archive.close()
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
        """A snapshot of the archive, with the live run's last answers where the archive has none yet.

        Not those that are computed in pieces: None there may also mean that the next one is on its way.
        """
        latest = self._latest
        if snapshot is None or latest is None or snapshot.moment != latest.moment:
            return snapshot and self._counted(snapshot)
        return dataclasses.replace(
            self._counted(snapshot),
            sample=snapshot.sample or latest.sample,
            **{
                name: getattr(snapshot, name) or getattr(latest, name)
                for name in ("gradients", "connectivity", "cells")
            },
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
