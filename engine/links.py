"""A viewer's end of a run in the same process: a mailbox one way, commands the other."""

from __future__ import annotations

import threading
from collections.abc import Callable

from engine.mailbox import Mailbox
from engine.messages import Command, RunInfo, Snapshot, View

# A snapshot is built at most so often (seconds), and only when the last one was taken; typing is answered at once.
SNAPSHOT_INTERVAL = 0.2


class LocalLink(Mailbox):
    """Implements `engine.messages.Link`. The worker thread calls `wants`, `offer` and `tell`, the viewer's the rest."""

    def __init__(
        self,
        info: RunInfo,
        send: Callable[[LocalLink, Command], None],
        leave: Callable[[LocalLink], None],
    ) -> None:
        super().__init__()
        self.info = info
        self.view = View()
        self.urgent = True  # answer before the interval is over
        self.closed = threading.Event()
        self._send, self._leave = send, leave
        self._built = float("-inf")

    def send(self, command: Command) -> None:
        self._send(self, command)

    def close(self) -> None:
        self.closed.set()
        self._leave(self)

    def wants(self, now: float) -> bool:
        """Whether a new snapshot should be built."""
        return self.urgent or (self.is_taken and now - self._built >= SNAPSHOT_INTERVAL)

    def offer(self, snapshot: Snapshot, now: float) -> None:
        """Put the newest snapshot where `take` finds it."""
        self._built, self.urgent = now, False
        self.put(snapshot)
