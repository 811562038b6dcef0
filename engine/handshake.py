"""The beginning of a conversation with a run, from the viewer's side."""

from __future__ import annotations

import dataclasses
import selectors
import time
from pathlib import Path

from engine import wire
from engine.connection import Connection, connect
from engine.errors import UserError
from engine.messages import RunInfo
from engine.wire_values import WireError

PATIENCE_SECONDS = 5.0


def shake_hands(directory: Path) -> tuple[Connection, RunInfo, list[bytes]]:
    """A connection to the run in `directory`, what run it is, and the frames that came right behind that.

    To a viewer in another process every run is a detached one: it goes on when the viewer leaves.
    `UserError` where no process answers, or none that can be understood.
    """
    connection = Connection(connect(directory), wire.REPORT_LIMIT)
    try:
        connection.put(wire.encode(wire.Hello()))
        connection.flush()
        info, frames = _listen(connection)
    except (OSError, EOFError, WireError) as error:
        connection.close()
        raise UserError(
            f"{directory}: the run's process does not answer as it should ({error or 'it hung up'}); "
            "is it another version of charrnn-tui, or another user's?"
        ) from None
    return connection, dataclasses.replace(info, detached=True), frames


def _listen(connection: Connection) -> tuple[RunInfo, list[bytes]]:
    frames: list[bytes] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            selector.select(deadline - time.monotonic())
            frames += connection.receive()
            if frames:
                hello = wire.decode(frames[0], (wire.Hello,))
                if hello != wire.Hello():
                    raise WireError(f"it speaks protocol {hello.protocol}, this program {wire.PROTOCOL}")
            if len(frames) > 1:
                return wire.decode(frames[1], (RunInfo,)), frames[2:]
    raise WireError("it says nothing")
