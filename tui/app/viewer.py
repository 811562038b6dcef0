"""A viewer's side of one run: the view it asked for, and the newest snapshot."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from engine.session.messages import ALIVE, Command, Event, Link, SetView, Snapshot, StateChanged, Stop, View


class Viewer:
    """Looks at the run at the other end of `link`. Of its methods only `leave` may block."""

    def __init__(self, link: Link, view: View) -> None:
        self.link = link
        self.view = view
        self.latest: Snapshot | None = None
        self._sent = 0  # the number of the last command
        self.send(SetView(view))

    @property
    def is_over(self) -> bool:
        """Whether the run has come to an end that nothing can change."""
        return self.latest is not None and self.latest.is_over

    @property
    def is_training(self) -> bool:
        """Whether it makes steps."""
        return self.latest is not None and self.latest.state == "training"

    @property
    def is_waiting(self) -> bool:
        """Whether the run has not yet shown what the last command did."""
        return self.latest is None or self.latest.obeyed < self._sent

    def send(self, command: Command) -> int:
        """Send a command; its number, which `Snapshot.obeyed` reaches when the run has obeyed it."""
        self._sent = self.link.send(command)
        return self._sent

    def change_view(self, **changes: Any) -> None:
        """Ask for another view, if it is another one."""
        view = dataclasses.replace(self.view, **changes)
        if view != self.view:
            self.view = view
            self.send(SetView(view))

    def events(self) -> list[Event]:
        """What happened since the last call."""
        return self.link.events()

    def take(self) -> Snapshot | None:
        """The newest snapshot, if there is a new one."""
        snapshot = self.link.take()
        if snapshot is not None:
            self.latest = snapshot
        return snapshot

    def leave(self, *, save: bool, stop: bool | None = None, patience: float = 1.5) -> None:
        """Close the link, having stopped the run: unless it is detached, or as `stop` says.

        A run that is stopped gets `patience` seconds to say so.
        """
        if stop if stop is not None else not self.link.info.detached:
            self.link.send(Stop(save))
            alive = self.latest is None or self.latest.state in ALIVE
            deadline = time.monotonic() + patience * alive
            while time.monotonic() < deadline and not any(isinstance(event, StateChanged) for event in self.events()):
                time.sleep(0.01)
        self.link.close()
