"""A viewer's side of the conversation with one run: what was asked of it, and what it said last."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from engine.session.messages import ALIVE, Command, Event, Link, SetView, Snapshot, StateChanged, Stop, View
from tui.app.knobs import Knobs

# The first snapshot after a command may have been lying there before it; the second one knows of it.
AWAITED = 2


class Viewer:
    """Looks at the run at the other end of `link`. Of its methods only `leave` may block."""

    def __init__(self, link: Link, view: View) -> None:
        self.link = link
        self.view = view
        self.latest: Snapshot | None = None
        self.knobs = Knobs(link.info)
        self._awaited = 0
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
        """Whether the answer to a command is still to come."""
        return self._awaited > 0

    def send(self, command: Command) -> None:
        """Send a command."""
        self.knobs.note(command)
        self.link.send(command)
        self._awaited = AWAITED

    def change_view(self, **changes: Any) -> None:
        """Ask to be answered differently, if anything changes by it."""
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
            self.knobs.see(snapshot)
            self._awaited -= 1
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
