"""A viewer's end of a run, wherever the run is."""

from __future__ import annotations

from typing import Protocol

from engine.runs.record import RunInfo
from engine.session.messages.commands import Command
from engine.session.messages.events import Event
from engine.session.messages.snapshot import Snapshot


class Link(Protocol):
    """A viewer's end of a run: in this process, in another one, or a finished run on disk.

    The screen calls them from its timer: none of the methods blocks, but `close` may wait a second or two.
    """

    @property
    def info(self) -> RunInfo: ...

    @property
    def is_remote(self) -> bool:
        """Whether another process has the run, which goes on when this viewer leaves."""

    def take(self) -> Snapshot | None:
        """The newest snapshot, or None if it was taken already."""

    def events(self) -> list[Event]:
        """Everything that happened since the last call, in order."""

    def send(self, command: Command) -> int:
        """Have a command applied before the next step.

        Returns its number among this link's commands, from 1: a snapshot whose `obeyed` is no smaller shows its effect,
        unless the connection was lost on the way.
        A command that cannot be sent, or that a run of the past ignores, is not counted.
        """

    def close(self) -> None:
        """Leave. The run goes on."""
