"""The run that the dashboard shows, in a thread of this process until it moves into a process of its own."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import tui
from engine.config import Config
from engine.errors import UserError, closed_on_failure
from engine.remote.archive import ArchiveLink
from engine.remote.client import RemoteLink
from engine.remote.detach import POLL_SECONDS, spawn_detached
from engine.remote.past import identities, past_events
from engine.remote.server import RunServer
from engine.runs.lock import holder
from engine.runs.reader import RunReader
from engine.session.end_command import EndCommand
from engine.session.messages import Link, Notice, Stop
from engine.session.session import Session
from engine.session.start import new_session, resumed_session

BUSY = 10.0  # seconds that a step may take when a run is to move
PATIENCE = 2.0  # seconds that leaving may take; twice as long while a run is being opened
LEFT = "the program is being left"


def spawn(
    directory: Path,
    *,
    as_it_was: bool = False,
    on_end: str = "",
    tensorboard: Path | None = None,
    wanted: Callable[[], bool] = lambda: True,
) -> None:
    """Resume the run in `directory`, which no process trains, in a process of its own.

    With `as_it_was` a run that is paused, or has diverged, stays so. `on_end` is a command for its end, and
    `tensorboard` the directory to which it writes event files. Raises `UserError` if that fails, or once the process is
    not `wanted` any more.
    """
    state = ["--as-it-was"] if as_it_was else []
    ending = [f"--on-end={on_end}"] if on_end else []
    events = [f"--tensorboard={tensorboard}"] if tensorboard else []
    command = program("train", "--resume", str(directory), "--background", *state, *ending, *events)
    try:
        spawn_detached(command, directory, wanted=wanted)
    except UserError as error:
        raise UserError(str(error).removeprefix("charrnn-tui: ")) from None


def first_remark(session: Session) -> str:
    """What the user should know as the run begins: files left out, processes refused, a crash before. Often empty.

    Where the held-out text is unlike the rest, also where in the text it lies.
    """
    if session.crashed:
        return f"{session.info.name} crashed before; it goes on from its checkpoint at step {session.steps:,}"
    if session.shortage:
        return session.shortage
    record = session.record
    notices = (record.origin_notice, record.left_out_notice, session.info.held_out_remark)
    return "" if session.steps else "; ".join(filter(None, notices))


def program(*arguments: str) -> list[str]:
    """The command that starts this program with `arguments`."""
    home = Path(tui.__file__).parent.parent
    # -P keeps the working directory out of the import path, unless the program itself lies there.
    return [sys.executable, *([] if home.samefile(os.curdir) else ["-P"]), "-m", "tui", *arguments]


@dataclass
class _Running:
    """A session that runs in a thread of this process, and its server."""

    session: Session
    server: RunServer | None = None

    def serve(self) -> None:
        with contextlib.suppress(UserError):  # without a socket it trains too, but no one else can watch
            self.server = RunServer(self.session, self.session.directory)

    def stop_serving(self) -> None:
        if self.server is not None:
            self.server.close()
            self.server = None

    def stop(self, patience: float) -> None:
        """Stop the session, give its thread `patience` seconds to save, and stop serving other viewers."""
        self.session.send(Stop(save=True))
        if self.session.join(patience) and self.session.is_suspended:
            self.session.close()
        self.stop_serving()


class Foreground:
    """The session beneath the dashboard, one at a time. Other processes may watch it too.

    A run ends only once the next one is open: if that fails, it goes on as it was.

    The user may leave while a thread is still opening a run. That run must not begin, for the process is about to
    end.

    `on_end` is called at each end of a run, also in the process that a run moves into.
    """

    def __init__(self, on_end: EndCommand | None = None) -> None:
        self._on_end = on_end
        self._current: _Running | None = None
        self._ending: list[_Running] = []  # replaced, and not yet stopped
        self._opening = threading.Lock()  # held while a run is opened or moved: one at a time
        self._changing = threading.Lock()  # held for an instant, while the fields change
        self._is_left = False
        self.say: Callable[[str], None] = lambda sentence: None  # takes a sentence about what a new run waits for

    def begin(self, session: Session) -> Link:
        """Start `session` in a thread, and return a link to it. The session before is stopped.

        Raises `UserError` if the program is being left; then `session` has not begun.
        """
        link = session.connect()
        for event in past_events(RunReader(session.directory)):  # of a run that is resumed
            link.queue(event)
        if remark := first_remark(session):
            link.queue(Notice(remark, "warning"))
        begun = _Running(session)
        with self._changing, closed_on_failure(session.close), _refused():
            if self._is_left:
                raise UserError(LEFT)
            if self._on_end is not None:
                session.on_end = self._on_end
            session.start()
            before, self._current = self._current, begun
            self._ending += [before] if before else []
        if before is not None and before.session.directory == session.directory:
            before.stop_serving()  # now, because both have the same socket
        begun.serve()
        if before is not None:
            before.stop(PATIENCE)
            with self._changing:
                self._ending = [each for each in self._ending if not each.session.join(0)]
        return link

    def begin_new(self, config: Config) -> Link:
        """Begin a new run. The run before goes on until the new one is open."""
        with self._opening:
            before = self._current
            try:
                with _refused():
                    session = new_session(config, progress=self._read_on, say=self.say)
            except UserError:
                if before is not None:
                    before.session.set_threads()  # the new run would have had its own number
                raise
            return self.begin(session)

    def take_up(self, directory: Path) -> Link:
        """Go on with the run in `directory`, which has ended. A finished run goes on without an end.

        If another process goes on with it already, the link is to that one.
        """
        with self._opening:
            before = self._current
            if before is not None and not before.session.is_over:
                before.session.suspend(BUSY)
            try:
                with _refused():
                    endless = RunReader(directory).state == "finished"
                    session = resumed_session(directory, endless=endless, progress=self._read_on)
                return self.begin(session)
            except UserError:
                with self._changing, contextlib.suppress(UserError):
                    if before is not None and before.session.is_suspended and not self._is_left:
                        before.session.go_on()
                if link := self._taken_elsewhere(directory):
                    return link
                raise

    def _taken_elsewhere(self, directory: Path) -> Link | None:
        """A link to the run in `directory` if another process has it, and answers within `PATIENCE`."""
        deadline = time.monotonic() + PATIENCE
        while (pid := holder(directory)) is not None and pid != os.getpid() and not self._is_left:
            with contextlib.suppress(UserError):  # it has only just begun
                link = RemoteLink(directory)
                link.queue(Notice(f"{link.info.name} goes on in another process already; this screen shows it"))
                return link
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
        return None

    def _read_on(self, share: float) -> None:
        if self._is_left:
            raise UserError(LEFT)

    def hand_over(self) -> Link:
        """Move the session into a process of its own, in the state it has, and return a link to that.

        Raises `UserError` if that fails; then the session goes on here.
        """
        with self._opening:
            moving = self._current
            assert moving is not None
            session = moving.session
            self._current = None  # leaving the program does not stop what moves; only a `Stop` does
            try:
                session.suspend(BUSY)
            except UserError as error:
                return self._stay(moving, error)
            moving.stop_serving()
            try:
                with _refused():
                    seen = identities(past_events(RunReader(session.directory)))
                    spawn(
                        session.directory,
                        as_it_was=True,
                        on_end=self._on_end.command if self._on_end is not None else "",
                        tensorboard=session.tensorboard,
                        wanted=lambda: not session.is_asked_to_stop,
                    )
                    link = RemoteLink(session.directory, seen=seen)
            except UserError as error:
                return self._stay(moving, error)
            for command in session.unobeyed():
                link.send(command)
            session.close()
            return link

    def _stay(self, moving: _Running, error: UserError) -> Link:
        """Go on here with a session that could not move because of `error`, which is raised then.

        Returns a link to its files if another process writes them by now.
        """
        session = moving.session
        with self._changing:
            if session.is_suspended and (self._is_left or session.is_asked_to_stop):
                session.close()
                raise error
            try:
                if session.is_suspended:
                    session.go_on()
            except UserError:
                session.close()
                link = ArchiveLink(session.directory)
                link.queue(Notice(str(error), "error"))
                return link
            self._current = moving
        if self._is_left:
            moving.stop(PATIENCE)
        elif moving.server is None:
            moving.serve()
        raise error

    def end(self, patience: float | None = None) -> None:
        """Wait for a run that is being opened, and stop all that run. No run can begin after this.

        Each of the two may take `patience` seconds, `PATIENCE` unless one is given.
        """
        patience = PATIENCE if patience is None else patience
        with self._changing:
            self._is_left = True
        opened = self._opening.acquire(timeout=patience)
        with self._changing:
            running = [*self._ending, *([self._current] if self._current else [])]
            self._current, self._ending = None, []
        for each in running:
            each.session.send(Stop(save=True))  # all at once
        deadline = time.monotonic() + patience
        for each in running:
            each.stop(max(0.0, deadline - time.monotonic()))
        if opened:
            self._opening.release()


@contextlib.contextmanager
def _refused() -> Iterator[None]:
    """Let a run that cannot be opened, because the system refuses something, fail as `UserError`."""
    try:
        yield
    except (OSError, MemoryError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "there is not enough memory"
        raise UserError(f"the run cannot begin: {reason}") from error
