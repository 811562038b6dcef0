"""The worker processes of a group: how the main process starts them and sends requests, and how they answer."""

from __future__ import annotations

import contextlib
import errno
import itertools
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
from engine.training.barrier import Pipe, above_streams
from engine.training.process_group import ProcessGroup
from engine.training.replica import Replica

# Requests, one byte each. All their data is in the shared memory.
STEP, EVALUATE, REFRESH, TAKE_STATE = b"s", b"e", b"r", b"t"
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
AWAKE_SECONDS = 0.0003  # for which a worker polls for the next request before it sleeps, as waking up takes time


def nameless_file() -> IO[bytes]:
    """An open file without a name, in memory if the system allows it. It disappears when no process has it open.

    Raises `OSError` if none can be made.
    """
    return os.fdopen(above_streams(_in_memory()), "w+b")


def _in_memory() -> int:
    if hasattr(os, "memfd_create"):
        with contextlib.suppress(OSError):  # a sandbox may refuse it
            return os.memfd_create("charrnn-group")
    for place in ("/dev/shm", None):
        with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=place) as file:
            return os.dup(file.fileno())
    raise OSError(errno.ENOSPC, "no file can be made in memory or in the directory for temporary files")


class Worker:
    """Process `rank` of a group, as the main process sees it.

    `file` is the descriptor of the shared memory, `pipes` are the group's, if its barrier needs any. `validation` is
    the shape (T, B) of the validation windows. With `divided` the group divides the units, not the batch.
    """

    def __init__(
        self,
        config: Config,
        vocabulary_size: int,
        dtype: str,
        validation: tuple[int, int] | None,
        *,
        rank: int,
        file: int,
        pipes: list[Pipe] | None,
        divided: bool,
    ) -> None:
        settings = {
            "config": config.replace(text=("-",)).to_json(),  # a worker reads no text, and a list of files may be long
            "vocabulary_size": vocabulary_size,
            "dtype": dtype,
            "validation": validation,
            "rank": rank,
            "file": file,
            "pipes": pipes,
            "divided": divided,
        }
        # A worker's standard error goes into a file, because the dashboard draws on the terminal.
        self._errors = nameless_file()
        # Only the main process handles signals. A worker starts with them blocked, and ends when its pipe closes.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "engine.training.worker", json.dumps(settings)],
                stdin=subprocess.PIPE,
                bufsize=0,
                stderr=self._errors,
                pass_fds=[file, *itertools.chain(*pipes or ())],
                cwd=Path(engine.__file__).parent.parent,
                env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(max(1, config.threads)))},
            )
        except BaseException:
            self._errors.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self.close = weakref.finalize(self, _end, self.process, self._errors)
        self.close.atexit = False  # a thread may still be training at exit; the pipe closes anyway

    def send(self, request: bytes) -> None:
        """Send `request`, such as `STEP`. Raises `RuntimeError` if the worker has ended."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(request)
        except OSError:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(1)  # a process that ends closes its pipe a moment before it is gone
            self.check()
            raise

    def wake(self) -> None:
        """Have the worker go on if it alone was suspended (SIGSTOP). A signal handler may call this."""
        self.process.send_signal(signal.SIGCONT)

    def check(self) -> None:
        """Raise `RuntimeError` if the worker has ended, with a note of all that it wrote to standard error."""
        code = self.process.poll()
        if code is not None:
            error = RuntimeError(
                f"a process that shared the work ended (exit code {code}); resume the run from its checkpoint, "
                "with fewer workers if it ends again"
            )
            self._errors.seek(0)
            if said := self._errors.read().decode(errors="replace"):
                error.add_note(said)
            raise error


def _end(process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    process.send_signal(signal.SIGCONT)  # a suspended worker would not see that its pipe is closed
    process.wait()
    errors.close()


def serve(settings: dict[str, Any]) -> None:
    """Answer the requests on standard input until it is closed, at the latest when the main process ends."""
    config = from_mapping(settings["config"])
    group = ProcessGroup(settings["rank"], config.workers, settings["file"], settings["pipes"])
    hangup = select.poll()
    hangup.register(0, select.POLLHUP)

    def check() -> None:
        if any(event & select.POLLHUP for _, event in hangup.poll(0)):
            sys.exit()

    group.check = check
    replica = Replica(
        config,
        settings["vocabulary_size"],
        settings["dtype"],
        group,
        settings["validation"],
        divided=settings["divided"],
    )
    requests = select.poll()
    requests.register(0, select.POLLIN)
    while True:
        until = time.monotonic() + AWAKE_SECONDS
        while not requests.poll(0) and time.monotonic() < until:
            pass
        request = os.read(0, 1)
        if request == STEP:
            replica.step()
        elif request == EVALUATE:
            replica.evaluate()
        elif request == REFRESH:
            replica.model.refresh()
        elif request == TAKE_STATE:
            replica.window.take_state()
        else:
            return


def main() -> None:
    """Entry point of a worker."""
    with np.errstate(all="ignore"):
        serve(json.loads(sys.argv[1]))


if __name__ == "__main__":
    main()
