"""Trains the runs of a sweep on a Dask cluster. No file system need be shared, and the text travels once.

    here                               a worker of the cluster
    ClusterExecutor ──text, run──▶     train, in a directory of its own
    Mirror ◀──events: new lines──      Growth, about once a second
    Mirror ◀──result: all files──      at the end

A worker that dies costs what its runs have done since they began there: the cluster trains them again elsewhere.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.config import Config
from engine.errors import UserError
from engine.runs.directory import RunDirectory
from engine.runs.files import read_file
from engine.runs.record import program_version
from engine.sweep.mirror import Files, Growth, Mirror, files_of, write_files
from engine.sweep.one_run import Outcome, RunTrainer, Switch
from engine.text.corpus import Corpus
from engine.typed_json import MalformedError, parse, read

ANSWER_SECONDS = 10.0  # within which a scheduler must answer
CLOSE_SECONDS = 3.0
MESSAGE_SECONDS = 1.0  # between two events of a run
MESSAGES_PER_SECOND = 200  # of all runs together: with more runs, each sends its lines in fewer, larger events
LARGEST_FILE = 1 << 20  # bytes of the file that says where the scheduler is


@contextlib.contextmanager
def connected(scheduler: str) -> Iterator[Any]:
    """A Dask client, as `connect` gives it, that is closed at the end of the `with` block."""
    client = connect(scheduler)
    try:
        yield client
    finally:
        close(client)


def connect(scheduler: str) -> Any:
    """A Dask client of the `scheduler`: an address such as `tcp://HOST:PORT`, or the JSON file that one has written.

    Raises `UserError` if Dask is not installed, nothing answers within 10 s, or a worker lacks this version of the
    program.
    """
    try:
        import distributed
    except ImportError:
        raise UserError("a cluster needs Dask, which is not installed; install charrnn-tui[sweep]") from None
    for name in ("distributed", "distributed.client"):  # what goes wrong is said once, in a sentence
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    address = scheduler if "://" in scheduler else _address_in(Path(scheduler))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            make_client: Any = distributed.Client
            client = make_client(address, timeout=ANSWER_SECONDS, set_as_default=False)
        except Exception as error:  # whatever comes of what another program answers there
            raise UserError(
                f"{scheduler}: no Dask scheduler answers there ({_first_line(error)}); start one, or check the address"
            ) from None
    try:
        _require_version(client)
    except BaseException:
        close(client)
        raise
    return client


def close(client: Any) -> None:
    """Leave the scheduler. A client that has left stays so."""
    with contextlib.suppress(Exception):  # of a scheduler that is gone
        client.close(CLOSE_SECONDS)


@dataclass(frozen=True)
class _SchedulerFile:
    address: str


def _address_in(path: Path) -> str:
    try:
        return read(_SchedulerFile, parse(read_file(path, LARGEST_FILE))).address
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); name a scheduler's file or address") from None
    except MalformedError as error:
        raise UserError(f"{path}: is no file of a Dask scheduler ({error}); name its file or its address") from None


def _require_version(client: Any) -> None:
    """Raise `UserError` if a worker has another version of this program, or none."""

    def theirs() -> str:  # sent as it is, because the program may not be there
        try:
            from engine.runs.record import program_version
        except ImportError:
            return ""
        return program_version()

    ours = program_version()
    for worker, version in client.run(theirs).items():
        if version != ours:
            found = f"version {version} of this program" if version else "none that has sweeps"
            raise UserError(f"{worker}: this worker has {found}, and here it is {ours}; install the same version there")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


class ClusterExecutor:
    """Trains runs on `corpus` on the workers that `client` knows; closes the client at the end."""

    lost: tuple[type[BaseException], ...] = (CancelledError,)  # otherwise the cluster gives a run to another worker

    def __init__(self, client: Any, corpus: Corpus) -> None:
        self._client = client
        self._topic = f"charrnn-tui-{secrets.token_hex(8)}"
        self._mirrors: dict[str, Mirror] = {}
        self._executor = client.get_executor(pure=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a text is large
            # A result of the cluster, not data of this client: if all workers that have it die, it is made again.
            self._corpus = client.submit(_same, corpus, pure=False)
        client.subscribe_topic(self._topic, self._take)

    @property
    def places(self) -> int:
        """Threads of all workers; 1 while there is none, so that a run waits for the first."""
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        return max(1, sum(int(worker["nthreads"]) for worker in workers))

    @property
    def trouble(self) -> str:
        """Why nothing can be trained any more; empty where it can."""
        return "" if self._client.status == "running" else "the connection to the Dask scheduler is lost"

    def submit(self, directory: Path, config: Config) -> Future[Outcome]:
        mirror = Mirror(directory)
        name = directory.name
        self._mirrors[name] = mirror
        task = Task(name, config, files_of(directory), self._topic, self._pause, program_version())
        theirs = self._executor.submit(_train, task, self._corpus)
        ours = Future[Outcome]()
        theirs.add_done_callback(lambda done: self._end(name, mirror, done, ours))
        return ours

    @property
    def _pause(self) -> float:
        return max(MESSAGE_SECONDS, self.places / MESSAGES_PER_SECOND)

    def _take(self, event: tuple[float, Any]) -> None:
        """Write what a worker has sent of a run that is trained there."""
        _, message = event
        with contextlib.suppress(OSError):  # the result has all of it once more
            if mirror := self._mirrors.get(message["run"]):
                mirror.take(message)

    def _end(self, name: str, mirror: Mirror, theirs: Future[tuple[Outcome, Files]], ours: Future[Outcome]) -> None:
        del self._mirrors[name]
        try:
            outcome, files = theirs.result()
            mirror.replace(files)
        except BaseException as error:
            ours.set_exception(error)
        else:
            ours.set_result(outcome)
        finally:
            mirror.close()

    def stop(self) -> None:
        """Have all runs save and end, and come back."""
        with contextlib.suppress(OSError):  # the scheduler is gone, and so are the runs
            self._client.run(_stop, self._topic)

    def close(self) -> None:
        close(self._client)


# --- on a worker ---------------------------------------------------------------------------------------

_switches: dict[str, Switch] = {}  # one for each sweep that this process works for


@dataclass(frozen=True)
class Task:
    """A run to train: its name, its settings, and the files that it goes on from, if it has begun."""

    name: str
    config: Config
    files: Files
    topic: str  # of the events with what is new
    pause: float  # seconds between two of them
    version: str


def _same(corpus: Corpus) -> Corpus:
    return corpus


def _stop(topic: str) -> None:
    _switches.setdefault(topic, Switch()).throw()


def _train(task: Task, corpus: Corpus) -> tuple[Outcome, Files]:
    """Train a run in a directory of its own; how it ended, and its files."""
    from distributed import get_worker

    if program_version() != task.version:
        return Outcome("failed", f"a worker has version {program_version()}; install {task.version} there"), {}
    worker = get_worker()
    switch = _switches.setdefault(task.topic, Switch())
    with tempfile.TemporaryDirectory(prefix="charrnn-tui-") as place:
        directory = Path(place, task.name)
        if task.files:
            os.mkdir(directory, 0o700)
            opened = RunDirectory(directory)
            write_files(opened, task.files)
            opened.close()
        growth = Growth(directory)

        def send() -> None:
            if message := growth.news():
                worker.log_event(task.topic, {"run": task.name, **message})

        with _every(task.pause, send):
            outcome = RunTrainer(corpus, switch).train(directory, task.config)
        return outcome, files_of(directory)


@contextlib.contextmanager
def _every(seconds: float, action: Callable[[], None]) -> Iterator[None]:
    """A context in which a thread calls `action` again and again."""
    done = threading.Event()

    def work() -> None:
        while not done.wait(seconds):
            action()

    thread = threading.Thread(target=work, name="events", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
