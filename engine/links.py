"""A viewer's end of a run in the same process: a mailbox for the newest snapshot, queues for the rest."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from engine.messages import Command, Event, RunInfo, Snapshot, View

# A snapshot is built at most so often (seconds), and only when the last one was taken; typing is answered at once.
SNAPSHOT_INTERVAL = 0.2


class LocalLink:
    """Implements `engine.messages.Link`. The worker thread calls `wants` and `offer`, the viewer's the rest.

    The mailbox has room for one, so a slow viewer costs the run nothing. It and the queue of events are
    deques, whose methods are atomic.
    """

    def __init__(
        self,
        info: RunInfo,
        send: Callable[[LocalLink, Command], None],
        leave: Callable[[LocalLink], None],
    ) -> None:
        self.info = info
        self.view = View()
        self.urgent = True  # answer before the interval is over
        self.closed = threading.Event()
        self._send, self._leave = send, leave
        self._mailbox: deque[Snapshot] = deque(maxlen=1)
        self._events: deque[Event] = deque()
        self._built = float("-inf")

    def take(self) -> Snapshot | None:
        try:
            return self._mailbox.popleft()
        except IndexError:
            return None

    def events(self) -> list[Event]:
        taken: list[Event] = []
        while self._events:
            taken.append(self._events.popleft())
        return taken

    def send(self, command: Command) -> None:
        self._send(self, command)

    def close(self) -> None:
        self.closed.set()
        self._leave(self)

    def wants(self, now: float) -> bool:
        """Whether a new snapshot should be built."""
        return self.urgent or (not self._mailbox and now - self._built >= SNAPSHOT_INTERVAL)

    def offer(self, snapshot: Snapshot, now: float) -> None:
        """Put the newest snapshot where `take` finds it."""
        self._built, self.urgent = now, False
        self._mailbox.append(snapshot)

    def tell(self, event: Event) -> None:
        """Queue an event."""
        self._events.append(event)
