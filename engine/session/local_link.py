"""A viewer's end of a run in the same process: a mailbox one way, commands the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from engine.runs.record import RunInfo
from engine.session.messages import Command, Event, Snapshot, Stop, View


class Mailbox:
    """Snapshots and events on their way from the run's thread to the viewer's thread.

    It needs no lock, because the methods of deques are atomic. It has room for one snapshot: a slow viewer costs the
    run nothing.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._snapshots: deque[Snapshot] = deque(maxlen=1)
        self._events = deque(events)

    # --- for the viewer ----------------------------------------------------------------------

    def take(self) -> Snapshot | None:
        """The newest snapshot, or None if it was taken already."""
        return self._snapshots.popleft() if self._snapshots else None

    def events(self) -> list[Event]:
        """Everything that happened since the last call, in order."""
        return [self._events.popleft() for _ in range(len(self._events))]

    # --- for the run -------------------------------------------------------------------------

    @property
    def is_taken(self) -> bool:
        """Whether the viewer has taken the last snapshot."""
        return not self._snapshots

    def put(self, snapshot: Snapshot) -> None:
        """Replace the snapshot that waits, if there is one."""
        self._snapshots.append(snapshot)

    def queue(self, event: Event) -> None:
        """Add an event for `events`."""
        self._events.append(event)


SNAPSHOT_INTERVAL = 0.2  # seconds between two snapshots at least; the answer to a command comes at once
MOST_WAITING = 256  # commands of one viewer that wait for the run at most: as many are obeyed between two steps


class LocalLink(Mailbox):
    """Implements `engine.session.messages.Link` in the run's own process.

    The viewer's thread calls `send`, `take`, `events` and `close`, the run's thread everything else, and `on_news` when
    there is something to take. `obeyed` counts the commands of this link that the run has obeyed. While `MOST_WAITING`
    others wait, only a `Stop` is taken.
    """

    is_remote = False

    def __init__(
        self,
        info: Callable[[], RunInfo],
        send: Callable[[LocalLink, Command], None],
        leave: Callable[[LocalLink], None],
    ) -> None:
        super().__init__()
        self._info = info
        self.view = View()
        self.obeyed = 0
        self.urgent = True  # answer before the interval is over
        self.built = float("-inf")  # when the last snapshot was built
        self.on_news: Callable[[], None] = lambda: None
        self._send, self._leave = send, leave
        self._sent = 0

    @property
    def is_full(self) -> bool:
        """Whether so many commands wait for the run that no other is taken."""
        return self._sent - self.obeyed >= MOST_WAITING

    @property
    def info(self) -> RunInfo:
        return self._info()

    def send(self, command: Command) -> int:
        if self.is_full and not isinstance(command, Stop):
            return self._sent
        self._sent += 1
        self._send(self, command)
        return self._sent

    def close(self) -> None:
        self._leave(self)

    def wants(self, now: float, interval: float = SNAPSHOT_INTERVAL) -> bool:
        """Whether a snapshot should be built at time `now`: it is urgent, or the last one is taken and old enough."""
        return self.urgent or (self.is_taken and now - self.built >= interval)

    def offer(self, snapshot: Snapshot, now: float) -> None:
        """Give the viewer the newest snapshot, built at time `now`."""
        self.built, self.urgent = now, False
        self.put(snapshot)

    def put(self, snapshot: Snapshot) -> None:
        super().put(snapshot)
        self.on_news()

    def queue(self, event: Event) -> None:
        super().queue(event)
        self.on_news()
