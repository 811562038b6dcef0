"""The run that the dashboard shows, in a thread of this process until it moves into a process of its own."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path

import tui
from engine.config import Config
from engine.errors import UserError
from engine.remote.archive import past_events
from engine.remote.client import RemoteLink
from engine.remote.detach import spawn_detached
from engine.remote.server import RunServer
from engine.runs.reader import RunReader
from engine.session.messages import Link, Notice, Stop
from engine.session.session import Session
from engine.session.start import new_session, resumed_session

PATIENCE = 2.0  # seconds that leaving may take; twice as long while a run is being opened
LEFT = "the program is being left"


def spawn(directory: Path) -> None:
    """Resume the run in `directory`, which no process trains, in a process of its own.

    Raises `UserError` if that fails.
    """
    try:
        spawn_detached(program("train", "--resume", str(directory), "--background"), directory)
    except UserError as error:
        raise UserError(str(error).removeprefix("charrnn-tui: ")) from None


def first_remark(session: Session) -> str:
    """What the user should know as the run begins: files left out of the text, or a crash before. Often empty."""
    if session.crashed:
        return f"{session.info.name} crashed before; it goes on from its checkpoint at step {session.steps:,}"
    return "" if session.steps else session.record.left_out_notice


def program(*arguments: str) -> list[str]:
    """The command that starts this program with `arguments`."""
    home = Path(tui.__file__).parent.parent
    # -P keeps the working directory out of the import path, unless the program itself lies there.
    return [sys.executable, *([] if home.samefile(os.curdir) else ["-P"]), "-m", "tui", *arguments]


class Foreground:
    """The session beneath the dashboard, one at a time. Other processes may watch it too.

    The user may leave while a thread is still opening a run. That run must not begin, for the process is about to
    end.
    """

    def __init__(self) -> None:
        self._session: Session | None = None
        self._server: RunServer | None = None
        self._opening = threading.Lock()
        self._is_left = False

    def begin(self, session: Session) -> Link:
        """Start `session` in a thread, and return a link to it. The session before is stopped."""
        self._stop()
        self._session = session
        directory = session.directory
        link = session.connect()
        for event in past_events(RunReader(directory)):  # of a run that is resumed
            link.queue(event)
        if remark := first_remark(session):
            link.queue(Notice(remark, "warning"))
        session.start()
        with contextlib.suppress(UserError):  # without a socket it trains too, but no one else can watch
            self._server = RunServer(session, directory)
        return link

    def begin_new(self, config: Config) -> Link:
        """Begin a new run. The run before goes on until the new one is open."""
        with self._opening:
            return self._begin_unless_left(new_session(config, progress=self._read_on))

    def take_up(self, directory: Path) -> Link:
        """Go on with the run in `directory`, which has ended. A finished run goes on without an end."""
        with self._opening:
            self._stop()
            endless = RunReader(directory).state == "finished"
            return self._begin_unless_left(resumed_session(directory, endless=endless, progress=self._read_on))

    def _read_on(self, share: float) -> None:
        if self._is_left:
            raise UserError(LEFT)

    def _begin_unless_left(self, session: Session) -> Link:
        if self._is_left:
            session.close()
            raise UserError(LEFT)
        return self.begin(session)

    def hand_over(self) -> Link:
        """Move the session into a process of its own, and return a link to that."""
        assert self._session is not None
        directory = self._session.directory
        self._session.send(Stop(save=True))
        if not self._session.join(10.0):
            raise UserError("the run is still busy with a step; try again in a moment")
        self._stop()
        spawn(directory)
        return RemoteLink(directory, past=False)

    def end(self, patience: float = PATIENCE) -> None:
        """Wait for a run that is being opened, and stop the one that runs. No run can begin after this."""
        self._is_left = True
        opened = self._opening.acquire(timeout=patience)
        self._stop(patience)
        if opened:
            self._opening.release()

    def _stop(self, patience: float = PATIENCE) -> None:
        """Stop the session, give its thread `patience` seconds to save, and stop serving other viewers."""
        if self._session is not None:
            self._session.send(Stop(save=True))
            self._session.join(patience)
        if self._server is not None:
            self._server.close()
        self._session = self._server = None
