"""A viewer's end of a run in the same process: a mailbox one way, commands the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from engine.runs.record import RunInfo
from engine.session.messages import Command, Event, Snapshot, View


class Mailbox:
    """Snapshots and events on their way from the run's thread to the viewer's thread.

    The methods of deques are atomic, so it needs no lock. There is room for one snapshot, so a slow viewer costs the
    run nothing.
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

    def queue(self, event: Event) -> None:
        """Have an event given out by `events`, after those before it."""
        self._events.append(event)


SNAPSHOT_INTERVAL = 0.2  # seconds between two snapshots at least, unless a command asks for one at once


class LocalLink(Mailbox):
    """Implements `engine.session.messages.Link` in the run's own process.

    The viewer's thread calls `send`, `take`, `events` and `close`, the run's thread everything else. `obeyed` counts
    the commands of this link that the run has obeyed.
    """

    def __init__(
        self, info: RunInfo, send: Callable[[LocalLink, Command], None], leave: Callable[[LocalLink], None]
    ) -> None:
        super().__init__()
        self.info = info
        self.view = View()
        self.obeyed = 0
        self.urgent = True  # answer before the interval is over
        self._send, self._leave = send, leave
        self._sent = 0
        self._built = float("-inf")

    def send(self, command: Command) -> int:
        self._sent += 1
        self._send(self, command)
        return self._sent

    def close(self) -> None:
        self._leave(self)

    def wants(self, now: float) -> bool:
        """Whether a new snapshot should be built at time `now`: only after the last one was taken, or at once."""
        return self.urgent or (self.is_taken and now - self._built >= SNAPSHOT_INTERVAL)

    def offer(self, snapshot: Snapshot, now: float) -> None:
        """Put the newest snapshot where `take` finds it."""
        self._built, self.urgent = now, False
        self.put(snapshot)
