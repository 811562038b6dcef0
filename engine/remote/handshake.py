"""The first messages over a run's socket: which protocol follows, and which run it is."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

from engine.errors import UserError
from engine.remote import codec
from engine.remote.codec import WireError
from engine.remote.connection import Connection, connect
from engine.runs.record import RunInfo
from engine.session.messages import Notice

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
    if isinstance(info, Notice):
        connection.close()
        raise UserError(f"{directory}: {info.text}")
    # Where the run lies, the viewer knows itself: it writes there, and takes no path from the other side.
    return connection, dataclasses.replace(info, directory=os.path.abspath(directory)), frames


def _read_greeting(connection: Connection) -> tuple[RunInfo | Notice, list[bytes]]:
    """What the run says after its hello, which run it is or why it takes no viewer, and the frames after that."""
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
            return codec.decode(frames[1], (RunInfo, Notice)), frames[2:]
    raise WireError("it says nothing")
