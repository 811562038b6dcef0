"""Trains one run of a sweep in this process: from its beginning, or from its checkpoint."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.config import Config
from engine.errors import UserError
from engine.remote.server import RunServer
from engine.runs.directory import require_directory
from engine.runs.housekeeping import remove_run
from engine.runs.lock import holder
from engine.runs.reader import RunReader
from engine.runs.writer import CHECKPOINT
from engine.session.messages import Stop
from engine.session.session import Session
from engine.session.start import new_session, resumed_session
from engine.sweep.study import StudyState
from engine.text.corpus import Corpus
from engine.text.counting import Ladder

PATIENCE = 30.0  # seconds
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended, and how far it came; "waiting" if it never began."""

    state: StudyState
    reason: str = ""
    steps: int = 0
    seconds: float = 0.0  # of training
    val_loss: float | None = None  # the last one; nats per character


class Switch:
    """Stops all runs of this process. A signal handler may throw it, because it takes no lock."""

    def __init__(self) -> None:
        self.is_thrown = False
        self._sessions: tuple[Session, ...] = ()
        self._changing = threading.Lock()

    def throw(self) -> None:
        """Have every run save and end, and let none begin."""
        self.is_thrown = True
        self.stop_runs()

    def stop_runs(self) -> None:
        """Have the runs that are trained now save and end."""
        for session in self._sessions:
            session.send(Stop(save=True))

    @property
    def is_idle(self) -> bool:
        """Whether no run is trained."""
        return not self._sessions

    @contextlib.contextmanager
    def over(self, session: Session) -> Iterator[None]:
        """A context in which the switch stops `session`."""
        with self._changing:
            self._sessions = (*self._sessions, session)
        try:
            if self.is_thrown:  # just before
                session.send(Stop(save=True))
            yield
        finally:
            with self._changing:
                self._sessions = tuple(each for each in self._sessions if each is not session)


class RunTrainer:
    """Trains runs on one text, of which `corpus` is what has been read; every run has one thread and one process.

    So a run has the same bits as when it is trained alone with these numbers.
    """

    def __init__(self, corpus: Corpus, switch: Switch) -> None:
        self._corpus, self._switch = corpus, switch
        self._ladders: dict[tuple[float, float, int], Ladder | None] = {}  # by what of the text is held out

    def train(self, directory: Path, config: Config) -> Outcome:
        """Train the run in `directory`, which is made if it has not begun, to the end that `config` has.

        Viewers can attach to it meanwhile. An error is an outcome too, and its traceback goes to standard error.
        """
        if self._switch.is_thrown:
            return outcome_on_disk(directory)
        try:
            require_directory(directory)
            if found := _ended(directory, config):
                return found
            session = self._open(directory, config)
            with contextlib.ExitStack() as stack:
                stack.enter_context(self._switch.over(session))
                with contextlib.suppress(UserError):  # without a socket the run goes on, but no viewer can attach
                    stack.callback(RunServer(session, session.directory).close)
                session.run()
            self._ladders[config.validation, config.test, config.blocks] = session.record.ladder
            if session.warning:
                return dataclasses.replace(outcome_on_disk(session.directory), state="failed", reason=session.warning)
            return outcome_on_disk(session.directory)
        except UserError as error:
            return Outcome("failed", str(error))
        except Exception as error:
            traceback.print_exc()
            return Outcome("failed", f"{type(error).__name__}: {error}")

    def _open(self, directory: Path, config: Config) -> Session:
        corpus = dataclasses.replace(self._corpus, validation=config.validation, test=config.test, blocks=config.blocks)
        wait_until_free(directory)
        if (directory / CHECKPOINT).exists():
            cores = {"threads": config.threads, "workers": config.workers}
            return resumed_session(directory, config.steps, cores=cores, corpus=corpus)
        if directory.exists():  # a process was killed before there was anything to go on from
            remove_run(directory)
        ladder = self._ladders.get((config.validation, config.test, config.blocks))
        return new_session(config, directory, corpus=corpus, ladder=ladder)


def wait_until_free(directory: Path) -> None:
    """Wait until no process writes the run: that of a sweep which was killed may still save it. At most `PATIENCE`."""
    deadline = time.monotonic() + PATIENCE
    while holder(directory) is not None and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _ended(directory: Path, config: Config) -> Outcome | None:
    """How the run in `directory` ended: as far as `config` asks for, before for a reason of its own, or diverged.

    Otherwise None.
    """
    if not (directory / CHECKPOINT).exists():
        return None
    found = outcome_on_disk(directory)
    is_far_enough = config.steps is not None and found.steps >= config.steps
    is_there = found.state == "finished" and (is_far_enough or bool(found.reason))
    return found if is_there or RunReader(directory).state == "diverged" else None


def outcome_on_disk(directory: Path) -> Outcome:
    """How far the run in `directory` is, as its files say. Raises `UserError` if they are damaged."""
    if not (directory / CHECKPOINT).exists():
        return Outcome("waiting")
    run = RunReader(directory)
    state: StudyState = "waiting"
    match run.state:
        case "finished" | "stopped" as ended:
            state = ended
        case "diverged" | "failed":
            state = "failed"
    columns, status = run.metrics(), run.status
    losses = columns["val_loss"][~np.isnan(columns["val_loss"])]
    seconds = columns["time"][~np.isnan(columns["time"])]
    return Outcome(
        state=state,
        reason=status.reason,
        steps=status.step,
        seconds=float(seconds[-1]) if len(seconds) else 0.0,
        val_loss=float(losses[-1]) if len(losses) else None,
    )
