"""The first messages over a run's socket: which protocol follows, and which run it is."""

from __future__ import annotations

import dataclasses
import os
import socket
import time
from pathlib import Path
from typing import NamedTuple

from engine.errors import UserError
from engine.remote import codec
from engine.remote.codec import WireError
from engine.remote.connection import Connection, connect
from engine.runs.record import RunInfo
from engine.session.messages import Notice

HANDSHAKE_SECONDS = 5.0  # within which a run must say which one it is


class Greeted(NamedTuple):
    """A connection on which hands were shaken, which run it leads to, and the frames that arrived with that."""

    connection: Connection
    info: RunInfo
    frames: list[bytes]


def shake_hands(directory: Path) -> Greeted:
    """A connection to the run in `directory`, which run it is, and the frames that arrived with that.

    Raises `UserError` if no process answers, or none that speaks this protocol.
    """
    greeted = greet(connect(directory), str(directory))
    # Where the run lies, the viewer knows itself: it writes there, and takes no path from the other side.
    return greeted._replace(info=dataclasses.replace(greeted.info, directory=os.path.abspath(directory)))


def greet(connected: socket.socket, name: str) -> Greeted:
    """Say hello over a connected socket, and hear which run answers; `name` stands for it in an error.

    Raises `UserError`, and closes the socket, if it does not speak this protocol or takes no viewer.
    """
    connection = Connection(connected, codec.REPORT_LIMIT)
    try:
        connection.put(codec.encode(codec.Hello()))
        connection.flush()
        info, frames = _read_greeting(connection)
        if isinstance(info, RunInfo):
            info = codec.possible_run(info)
    except (OSError, EOFError, WireError) as error:
        connection.close()
        raise UserError(
            f"{name}: the run's process does not answer as it should ({error or 'it disconnected'}); "
            "is it another version of charrnn-tui, or another user's?"
        ) from None
    if isinstance(info, Notice):
        connection.close()
        raise UserError(f"{name}: {info.text}")
    return Greeted(connection, info, frames)


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
