"""Who trains the runs of a sweep: processes on this machine, or a cluster; and the first of the two."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

from engine.config import Config
from engine.errors import UserError
from engine.runs.files import open_file
from engine.runs.kept_text import load_text
from engine.runs.writer import LOG
from engine.sweep.one_run import POLL_SECONDS, Outcome, RunTrainer, Switch
from engine.sweep.study import Study


class Executor(Protocol):
    """Trains runs, each in one process with one thread, `places` of them at a time."""

    lost: tuple[type[BaseException], ...]
    """What a future raises if its process was killed: the run can be given to another one."""

    @property
    def places(self) -> int:
        """How many runs it trains at a time."""

    @property
    def trouble(self) -> str:
        """Why nothing can be trained any more; empty where it can."""

    def submit(self, directory: Path, config: Config) -> Future[Outcome]:
        """Train the run that is kept in `directory`, to the end that `config` has."""

    def stop(self) -> None:
        """Have all runs save and end. No other may be submitted."""

    def close(self) -> None:
        """Wait until nothing is trained any more."""


class LocalExecutor:
    """Trains `jobs` runs of `study` at a time in processes on this machine.

    A process holds one end of a pipe, this one the other. When the other is closed, because the sweep is stopped or
    this process was killed, every process saves its run and ends.
    """

    lost: tuple[type[BaseException], ...] = (BrokenProcessPool,)
    trouble = ""

    def __init__(self, study: Study, jobs: int) -> None:
        self._study, self.places = study, jobs
        resource_tracker.ensure_running()  # now: it needs the real standard error, which a screen may stand in for
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, directory: Path, config: Config) -> Future[Outcome]:
        if self._pool is None:
            self._pool = self._new_pool()
        try:
            return self._pool.submit(_train, directory, config)
        except BrokenProcessPool:  # a process was killed, and all others of its pool with it
            self.close()
            self._pool = self._new_pool()
            return self._pool.submit(_train, directory, config)

    def _new_pool(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")  # the threads of this process must not be copied
        theirs, self._ours = context.Pipe(duplex=False)
        return ProcessPoolExecutor(self.places, context, _begin, (self._study, theirs))

    def stop(self) -> None:
        if self._pool is not None:
            self._ours.close()

    def close(self) -> None:
        if self._pool is not None:
            self._ours.close()
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


# --- in each of the processes --------------------------------------------------------------------------

_switch = Switch()
_study: list[Study] = []  # one
_trainer: list[RunTrainer] = []  # one, once the text is read


def _begin(study: Study, lifeline: Connection) -> None:
    """Prepare a process that trains runs of `study`. Signals of the terminal are its parent's."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: _switch.stop_runs())
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    with contextlib.suppress(OSError):  # where there is no room for a log, the runs go on without
        log = open_file(study.path / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
    threading.Thread(target=_watch, args=(lifeline,), name="lifeline", daemon=True).start()
    _study.append(study)


def _watch(lifeline: Connection) -> None:
    """Stop the runs when the other end of `lifeline` is closed, and end this process if its parent is gone."""
    with contextlib.suppress(EOFError, OSError):
        lifeline.recv_bytes()
    _switch.throw()
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    while not _switch.is_idle:
        time.sleep(POLL_SECONDS)
    os._exit(1)  # the pool's own thread waits for work that never comes


def _train(directory: Path, config: Config) -> Outcome:
    if not _trainer:
        try:
            _trainer.append(RunTrainer(load_text(_study[0].path, _study[0]), _switch))
        except UserError as error:
            return Outcome("failed", str(error))
    return _trainer[0].train(directory, config)
