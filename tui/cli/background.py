"""A run in the background: handed over to a process of its own, and what that process does."""

from __future__ import annotations

import signal

from engine.remote.detach import log_into
from engine.remote.server import RunServer
from engine.session.messages import State
from engine.session.session import Session
from tui.app.foreground import spawn
from tui.cli.headless import exit_code, stop_on

PATIENT: tuple[State, ...] = ("diverged",)  # in these states it waits to be rolled back or stopped


def detach(session: Session) -> int:
    """Hand a new run over to a process in the background, and print its name."""
    directory = session.course.recorder.run.path
    session.course.close()
    spawn(directory)
    print(directory.name)
    return 0


def serve(session: Session) -> int:
    """Train, and serve every viewer that attaches; the exit code. The end of the login session does not end it."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop_on(session, signal.SIGTERM, signal.SIGINT)
    directory = session.course.recorder.run.path
    server = RunServer(session, directory)
    log_into(directory)
    try:
        return exit_code(session.run(linger=PATIENT))
    finally:
        server.close()
