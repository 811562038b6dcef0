"""What a run has for a viewer who has not taken it yet: the newest snapshot, and every event."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from engine.messages import Event, Snapshot


class Mailbox:
    """One thread puts in, the viewer's takes out; the methods of deques are atomic, so it needs no lock.

    There is room for one snapshot, so a slow viewer costs the run nothing.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._snapshots: deque[Snapshot] = deque(maxlen=1)
        self._events = deque(events)

    # --- for the viewer ----------------------------------------------------------------------

    def take(self) -> Snapshot | None:
        """The newest snapshot, or None if it was taken already."""
        try:
            return self._snapshots.popleft()
        except IndexError:
            return None

    def events(self) -> list[Event]:
        """Everything that happened since the last call, in order."""
        taken: list[Event] = []
        while self._events:
            taken.append(self._events.popleft())
        return taken

    # --- for the run -------------------------------------------------------------------------

    @property
    def is_taken(self) -> bool:
        """Whether there is no snapshot waiting."""
        return not self._snapshots

    def put(self, snapshot: Snapshot) -> None:
        """Have this snapshot taken next, in place of one that still waits."""
        self._snapshots.append(snapshot)

    def tell(self, event: Event) -> None:
        """Queue an event."""
        self._events.append(event)
