"""The other processes of a group: started, told what to do by the main one, and ended with it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from pathlib import Path
from typing import IO, Any

import numpy as np

import engine
from engine.config import Config, from_mapping
from engine.training.process_group import ProcessGroup
from engine.training.replica import Replica

STEP, EVALUATE, REFRESH, TAKE_STATE = b"s", b"e", b"r", b"t"
THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
AWAKE_SECONDS = 0.0003  # after a step, before it costs some time to be woken up


def shared_memory() -> Any:
    """A file without a name, in memory where the system has that; it goes when the last process that has it does."""
    if not hasattr(os, "memfd_create"):
        return tempfile.TemporaryFile()
    file = os.memfd_create("charrnn-group")
    try:  # not as 0, 1 or 2, should one of these be free: they are something else in a process that is started
        return os.fdopen(fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 3), "w+b")
    finally:
        os.close(file)


class Worker:
    """The main process's end of member `rank`."""

    def __init__(
        self,
        config: Config,
        vocabulary_size: int,
        dtype: str,
        validation: tuple[int, int] | None,
        *,
        rank: int,
        file: int,
    ) -> None:
        what = {
            "config": config.replace(text=("-",)).to_json(),  # it reads none, and a list of files may be long
            "vocabulary_size": vocabulary_size,
            "dtype": dtype,
            "validation": validation,
            "rank": rank,
            "file": file,
        }
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - `_end` closes it. The terminal is the screen's.
        # Signals are for the main process; this one ends when its pipe closes. It has them blocked from the beginning.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "engine.training.worker", json.dumps(what)],
                stdin=subprocess.PIPE,
                bufsize=0,
                stderr=self._errors,
                pass_fds=[file],
                cwd=Path(engine.__file__).parent.parent,
                env={**os.environ, **dict.fromkeys(THREADS, str(max(1, config.threads)))},
            )
        except BaseException:
            self._errors.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self.close = weakref.finalize(self, _end, self.process, self._errors)
        self.close.atexit = False  # a thread may still be training then; the pipe closes anyway

    def say(self, word: bytes) -> None:
        """Have it do what one of the words above stands for. What it needs for that is in the shared memory."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(word)
        except OSError:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(1)  # its end of the pipe closes a moment before it is gone
            self.check()
            raise

    def check(self) -> None:
        """`RuntimeError` where it has ended."""
        code = self.process.poll()
        if code is not None:
            error = RuntimeError(
                f"a process that shared the work ended (exit code {code}); resume the run from its checkpoint"
            )
            self._errors.seek(0)
            if said := self._errors.read().decode(errors="replace"):
                error.add_note(said)
            raise error


def _end(process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.wait()
    errors.close()


def serve(what: dict[str, Any]) -> None:
    """Do what is said on standard input until it is closed, as it is when the main process ends."""
    config = from_mapping(what["config"])
    group = ProcessGroup(what["rank"], config.workers, what["file"])
    hangup = select.poll()
    hangup.register(0, select.POLLHUP)

    def check() -> None:
        if any(event & select.POLLHUP for _, event in hangup.poll(0)):
            sys.exit()

    group.check = check
    replica = Replica(config, what["vocabulary_size"], what["dtype"], group, what["validation"])
    words = select.poll()
    words.register(0, select.POLLIN)
    while True:
        until = time.monotonic() + AWAKE_SECONDS
        while not words.poll(0) and time.monotonic() < until:
            pass
        word = os.read(0, 1)
        if word == STEP:
            replica.step()
        elif word == EVALUATE:
            replica.evaluate()
        elif word == REFRESH:
            replica.model.refresh()
        elif word == TAKE_STATE:
            replica.window.take_state()
        else:
            return


def main() -> None:
    """Entry point of a further process."""
    with np.errstate(all="ignore"):
        serve(json.loads(sys.argv[1]))


if __name__ == "__main__":
    main()
