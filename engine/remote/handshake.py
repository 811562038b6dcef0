"""The first messages over a run's socket: which protocol follows, and which run it is."""

from __future__ import annotations

import time
from pathlib import Path

from engine.errors import UserError
from engine.remote import codec
from engine.remote.codec import WireError
from engine.remote.connection import Connection, connect
from engine.runs.record import RunInfo

HANDSHAKE_SECONDS = 5.0  # within which a run must say which one it is


def shake_hands(directory: Path) -> tuple[Connection, RunInfo, list[bytes]]:
    """A connection to the run in `directory`, which run it is, and the frames that arrived with that.

    Raises `UserError` if no process answers, or none that speaks this protocol.
    """
    connection = Connection(connect(directory), codec.REPORT_LIMIT)
    try:
        connection.put(codec.encode(codec.Hello()))
        connection.flush()
        info, frames = _read_greeting(connection)
    except (OSError, EOFError, WireError) as error:
        connection.close()
        raise UserError(
            f"{directory}: the run's process does not answer as it should ({error or 'it disconnected'}); "
            "is it another version of charrnn-tui, or another user's?"
        ) from None
    return connection, info, frames


def _read_greeting(connection: Connection) -> tuple[RunInfo, list[bytes]]:
    frames: list[bytes] = []
    deadline = time.monotonic() + HANDSHAKE_SECONDS
    while (seconds := deadline - time.monotonic()) > 0:
        connection.wait(seconds)
        frames += connection.receive()
        if frames:
            hello = codec.decode(frames[0], (codec.Hello,))
            if hello != codec.Hello():
                raise WireError(f"it speaks protocol {hello.protocol}, this program {codec.PROTOCOL}")
        if len(frames) > 1:
            return codec.decode(frames[1], (RunInfo,)), frames[2:]
    raise WireError("it says nothing")
