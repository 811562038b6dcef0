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
        """Whether the run has ended and no command can change that."""
        return self.latest is not None and self.latest.is_over

    @property
    def has_ended(self) -> bool:
        """Whether the run has ended, and is not only out of this viewer's sight."""
        return self.latest is not None and self.latest.is_over and not self.latest.is_out_of_touch

    @property
    def is_training(self) -> bool:
        """Whether the run makes steps."""
        return self.latest is not None and self.latest.live and self.latest.state == "training"

    @property
    def is_waiting(self) -> bool:
        """Whether the newest snapshot is older than the effect of the last command."""
        return self.latest is None or self.latest.obeyed < self._sent

    def send(self, command: Command) -> int:
        """Send a command; returns its number, which `Snapshot.obeyed` reaches when the run has obeyed it."""
        self._sent = self.link.send(command)
        return self._sent

    def change_view(self, **changes: Any) -> None:
        """Ask for the view with `changes`, unless it is the present one."""
        view = dataclasses.replace(self.view, **changes)
        if view != self.view:
            self.view = view
            self.send(SetView(view))

    def take(self) -> Snapshot | None:
        """The newest snapshot, or None if there is no new one."""
        snapshot = self.link.take()
        self.latest = snapshot or self.latest
        return snapshot

    def leave(self, *, save: bool, stop: bool | None = None, patience: float = 1.5) -> None:
        """Close the link, after a `Stop` if `stop` is true; None stops the run unless another process has it.

        A run that is stopped gets `patience` seconds to say so.
        """
        if stop if stop is not None else not self.link.is_remote:
            self.link.send(Stop(save))
            alive = self.latest is None or self.latest.state in ALIVE
            deadline = time.monotonic() + patience * alive
            while time.monotonic() < deadline and not any(map(_is_end, self.link.events())):
                time.sleep(0.01)
        self.link.close()


def _is_end(event: Event) -> bool:
    """Whether a run has stopped. A change to "training" or "paused" may still wait from before."""
    return isinstance(event, StateChanged) and event.state not in ALIVE
