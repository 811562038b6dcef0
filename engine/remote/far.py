"""A viewer's end of a run on another host. `engine.remote.relay` is at the other end of the line."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from functools import partial

from engine.errors import UserError, closed_on_failure
from engine.remote import codec
from engine.remote.connected import RECONNECTED, ConnectedLink
from engine.remote.handshake import Greeted, greet
from engine.remote.ssh import GRACE_SECONDS, Address, Line, NeedsUserError, open_line
from engine.session.messages import Event, Notice, Snapshot

LINE_SECONDS = 20.0  # without a sign of life, after which the line counts as cut
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 10.0  # seconds between two attempts to connect again; each is twice the one before
CUT = "the line to {} is cut; the run goes on there, and is shown again as soon as the line is back"
AGAIN = "open it again"


class FarLink(ConnectedLink):
    """Implements `engine.session.messages.Link` over ssh.

    The run's name has the host before it, and its directory is empty: there is none here. When the line is cut, the
    snapshots are not `live`, and the link connects again, ever more rarely, without a question to the user. `say` gets
    what ssh says before the link is there. Raises `UserError` if the run cannot be reached.
    """

    kinds = (Snapshot, *codec.EVENTS, codec.Hello)

    def __init__(self, address: Address, say: Callable[[str], None] = lambda line: None) -> None:
        self._line = open_line(address, asks=True, say=say)
        with closed_on_failure(self._line.close):
            greeted = self._greet(self._line, address)
            # The latest run may be another one by then; a path is sent back only to the host it came from.
            self._address = dataclasses.replace(address, run=greeted.info.directory)
            super().__init__(_named(greeted, address))
            self.start()

    @property
    def directory(self) -> str:
        """Where the run lies on its host."""
        return self._address.run

    def close(self) -> None:
        super().close()
        self._line.close(GRACE_SECONDS if self._connected else 0.0)

    def reconnect(self) -> None:
        self._line.close(seconds=0.0)
        self._lose_touch(CUT.format(self._address.host))
        reported, pause = "", FIRST_PAUSE
        while not self._closing.wait(pause):
            try:
                self._connect_again()
            except NeedsUserError as error:  # asking again and again could lock the user out
                self._lose_touch(f"{error}; leave, and {AGAIN}")
                self._closing.wait()
            except UserError as error:
                if reported != (reported := str(error)):
                    self._lose_touch(f"{error}; it is tried again")
            else:
                return
            pause = min(2 * pause, LONGEST_PAUSE)

    def _connect_again(self) -> None:
        line = open_line(self._address, asks=False, wanted=lambda: not self._closing.is_set())
        with closed_on_failure(partial(line.close, 0.0)):
            greeted = _named(self._greet(line, self._address), self._address)
        self._line = line
        with self._sending:
            self._go_on_over(greeted)
        self.queue(Notice(RECONNECTED, "warning"))

    @staticmethod
    def _greet(line: Line, address: Address) -> Greeted:
        return greet(line.socket, f"{address.host}:{address.run}")

    def _hear(self, event: Event) -> None:
        if not isinstance(event, codec.Hello):  # a sign of life
            super()._hear(event)

    def _patience(self) -> float:
        return LINE_SECONDS

    def _watch_silence(self) -> None:
        """Let go of a line that says nothing. Whether the run is silent, the relay knows."""
        if time.monotonic() - self._connection.heard_at >= LINE_SECONDS:
            raise EOFError


def _named(greeted: Greeted, address: Address) -> Greeted:
    info = dataclasses.replace(greeted.info, name=f"{address.host}:{greeted.info.name}", directory="")
    return greeted._replace(info=info)
