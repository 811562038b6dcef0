"""A run in the background: started, and served there to whoever attaches."""

from __future__ import annotations

import signal

from engine.remote.detach import log_into
from engine.remote.server import RunServer
from engine.session.messages import State
from engine.session.session import Session
from tui.app.foreground import spawn
from tui.cli.headless import exit_code, stop_on

PATIENT: tuple[State, ...] = ("diverged",)  # waits until somebody rolls it back, or stops it


def detach(session: Session) -> int:
    """Let a run that has not begun go on in the background; prints its name."""
    directory = session.directory
    session.close()
    spawn(directory)
    print(directory.name)
    return 0


def serve(session: Session) -> int:
    """What the process in the background does: train, and serve whoever attaches. Hanging up is nothing to it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop_on(session, signal.SIGTERM, signal.SIGINT)
    directory = session.directory
    server = RunServer(session, directory)
    log_into(directory)
    try:
        return exit_code(session.run(linger=PATIENT))
    finally:
        server.close()
