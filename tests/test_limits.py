"""Limits of the system: one process fewer, or a sentence and a run that can be resumed; no traceback, no hang."""

from __future__ import annotations

import errno
import fcntl
import io
import mmap
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config import Config
from engine.errors import ConfigError, UserError
from engine.probes.results import Sample
from engine.runs.reader import RunReader
from engine.session.messages import Failed, Notice, SetView, View
from engine.session.pace import SAMPLES_PER_DOUBLING, is_sample_kept
from engine.session.start import new_session, resumed_session
from engine.training import cores, memory, worker
from engine.training.barrier import make_pipes
from engine.training.trainer import Trainer
from tests.e2e.program import PHYSICS, PROGRAM, environment
from tui.cli import _spare_threads
from tui.cli.output import require_terminal
from tui.terminal.threads import NEEDED

SMALL = Config(text=("physics",), hidden=12, embedding=6, batch=4, seq=10, threads=1, workers=1)
CODES = np.arange(2_000) % 7


def refuse(number: int) -> Callable[..., Any]:
    """A function that raises the `OSError` of this number."""

    def call(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return call


def no_memory(*_: object, **__: object) -> None:
    raise MemoryError


# --- processes that share the work ------------------------------------------------------------------


def test_pipes_need_no_descriptors_but_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last free ones are enough, and where these are not, none is left open."""
    before = set(os.listdir("/proc/self/fd"))
    made: list[tuple[int, int]] = []
    pipe = os.pipe

    def two_times() -> tuple[int, int]:
        if len(made) == 2:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        made.append(pipe())
        return made[-1]

    monkeypatch.setattr(os, "pipe", two_times)
    monkeypatch.setattr(fcntl, "fcntl", refuse(errno.EMFILE))
    assert make_pipes(2) == made
    for each in [*made[0], *made[1]]:
        os.close(each)
    made.clear()
    with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
        make_pipes(3)
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("place", "name", "number"),
    [
        (subprocess, "Popen", errno.EAGAIN),  # no more processes
        (worker, "nameless_file", errno.EMFILE),
        (mmap, "mmap", errno.ENOMEM),
        (os, "ftruncate", errno.EFBIG),
        (os, "posix_fallocate", errno.ENOSPC),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_where_no_process_can_be_started_there_is_one(
    monkeypatch: pytest.MonkeyPatch, place: object, name: str, number: int
) -> None:
    before = set(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as patched:
        patched.setattr(place, name, refuse(number))
        trainer = Trainer(SMALL.replace(workers=4), 7, CODES, CODES[:0])
    assert (trainer.config.workers, trainer.workers) == (1, [])
    assert trainer.refusal == os.strerror(number)
    alone = Trainer(SMALL, 7, CODES, CODES[:0])
    assert trainer.step() == alone.step()
    assert set(os.listdir("/proc/self/fd")) == before


def test_there_are_as_many_processes_as_the_system_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    start, running = subprocess.Popen, list[Any]()

    def two_at_most(*arguments: Any, **options: Any) -> Any:
        if any(process.poll() is None for process in running):
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        running.append(start(*arguments, **options))
        return running[-1]

    monkeypatch.setattr(subprocess, "Popen", two_at_most)
    trainer = Trainer(SMALL.replace(workers=4), 7, CODES, CODES[:0])
    try:
        assert (trainer.config.workers, len(trainer.workers)) == (2, 1)
        assert np.isfinite(trainer.step().loss)
    finally:
        trainer.close()
    assert all(process.poll() is not None for process in running)


def test_a_run_says_that_it_has_fewer_processes_and_remembers_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", refuse(errno.EAGAIN))
        session = new_session(SMALL.replace(workers=2), tmp_path / "run")
    assert session.shortage == f"the system allows no more processes ({os.strerror(errno.EAGAIN)}); the run has 1"
    session.close()
    assert RunReader(tmp_path / "run").config.workers == 1


def test_a_way_that_the_system_refuses_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", refuse(errno.EAGAIN))
    monkeypatch.setattr(cores, "SLICE_SECONDS", 0.001)
    assert cores.measure(SMALL, 7, [(1, 1), (1, 2)])[0] == (1, 1)


@pytest.mark.parametrize("refused", [["memfd_create"], ["memfd_create", "/dev/shm"]], ids=str)
def test_without_memory_files_processes_share_another_file(monkeypatch: pytest.MonkeyPatch, refused: list[str]) -> None:
    monkeypatch.setattr(os, "memfd_create", refuse(errno.EPERM))
    temporary, places = tempfile.TemporaryFile, list[str | None]()

    def elsewhere(*arguments: Any, dir: str | None = None, **options: Any) -> Any:
        if dir in refused:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", dir)
        places.append(dir)
        return temporary(*arguments, dir=dir, **options)

    monkeypatch.setattr(tempfile, "TemporaryFile", elsewhere)
    trainer = Trainer(SMALL.replace(workers=2), 7, CODES, CODES[:0])
    monkeypatch.undo()
    assert places[0] == (None if "/dev/shm" in refused else "/dev/shm")
    try:
        assert np.isfinite(trainer.step().loss)
        assert len(trainer.workers) == 1
    finally:
        trainer.close()


# --- memory -----------------------------------------------------------------------------------------


def test_a_step_without_memory_ends_the_run_with_a_sentence_and_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = new_session(SMALL, tmp_path / "run")
    link = session.connect()
    monkeypatch.setattr(session.loop.trainer, "step", no_memory)
    assert session.run() == "failed"
    (failure,) = [event for event in link.events() if isinstance(event, Failed)]
    assert failure.text == "no memory is left"
    assert session.reason.startswith("no memory is left (log: ")
    resumed_session(tmp_path / "run").close()


def test_a_run_that_has_not_even_memory_for_its_log_ends_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = new_session(SMALL, tmp_path / "run")
    monkeypatch.setattr(session.loop.trainer, "step", no_memory)
    monkeypatch.setattr(session.loop.recorder.run, "log", no_memory)
    assert session.run() == "failed"
    assert RunReader(tmp_path / "run").state == "failed"


def test_a_question_that_needs_too_much_memory_has_no_answer_and_the_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = new_session(SMALL, tmp_path / "run")
    asked: list[object] = []

    def explain(*arguments: object) -> None:
        asked.append(arguments)
        raise MemoryError

    monkeypatch.setattr(session.loop.instruments._questions, "_explain", explain)
    link = session.connect()
    link.send(SetView(View(prompt="mass")))
    session.loop.change("training")
    for step in range(1, 20):
        assert session._turn()
        assert session.steps == step
        session.viewers.hurry()
    session.viewers.serve(session.loop)
    snapshot = link.take()
    assert snapshot is not None
    assert snapshot.connectivity is None
    assert snapshot.cells is not None
    assert len(asked) == 1  # it is not asked again and again
    session.loop.close()


def test_a_save_without_memory_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = new_session(SMALL, tmp_path / "run")
    link = session.connect()
    session.loop.change("training")
    session._turn()
    with monkeypatch.context() as patched:
        patched.setattr(session.loop.trainer, "state", no_memory)
        session.loop.save("asked")
    assert "cannot save" in session.warning
    assert "no memory is left" in session.warning
    session.loop.save("asked")
    assert session.warning == ""
    assert len([event for event in link.events() if isinstance(event, Notice)]) == 2
    session.loop.close()


@pytest.mark.parametrize(
    ("groups", "file", "text", "expected"),
    [
        ("0::/jobs/7\n", "jobs/7/memory.max", "1000\n", 1000),
        ("0::/jobs/7\n", "jobs/memory.max", "2000\n", 2000),  # of the group around it
        ("0::/\n", "memory.max", "3000\n", 3000),
        ("0::/jobs\n", "jobs/memory.max", "max\n", None),
        ("12:cpu:/a\n5:memory:/a/b\n", "memory/a/b/memory.limit_in_bytes", "4000\n", 4000),
        ("nonsense\n", "memory.max", "1000\n", None),
        ("0::/jobs\n", "jobs/memory.max", "many\n", None),
    ],
)
def test_the_memory_of_a_container_is_what_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: str, file: str, text: str, expected: int | None
) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    (tmp_path / "groups").write_text(groups)
    monkeypatch.setattr(memory, "GROUPS", tmp_path / "groups")
    monkeypatch.setattr(memory, "MOUNT", tmp_path)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert memory._there() == (expected or machine)
    if expected:
        with pytest.raises(ConfigError, match="needs"):
            memory.require(SMALL, 7)


# --- threads, descriptors, sizes of files -----------------------------------------------------------


def refuse_thread(*_: object) -> None:
    raise RuntimeError("can't start new thread")


def test_without_a_screen_a_run_trains_where_no_thread_can_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading.Thread, "start", refuse_thread)
    assert new_session(SMALL.replace(steps=3), tmp_path / "run").run() == "finished"


def test_where_no_thread_can_be_started_a_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = new_session(SMALL, tmp_path / "run")
    monkeypatch.setattr(threading.Thread, "start", refuse_thread)
    with pytest.raises(UserError, match="can't start new thread; raise the system's limit, and resume the run"):
        session.start()
    monkeypatch.undo()
    assert RunReader(tmp_path / "run").state == "stopped"
    resumed_session(tmp_path / "run").close()


@pytest.mark.parametrize("allowed", [0, 5, 100])
def test_a_screen_without_room_for_its_threads_is_refused_before_it_begins(
    monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    begin = threading.Thread.start
    begun: list[threading.Thread] = []

    def start(thread: threading.Thread) -> None:
        if len(begun) == allowed:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        begin(thread)

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", Tty())
    monkeypatch.setattr(sys, "__stderr__", Tty())
    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(UserError, match="raise its limit; add --list") if allowed < NEEDED else nullcontext():
        require_terminal("add --list")
    assert not any(thread.is_alive() for thread in begun)


@pytest.mark.parametrize("limit", ["-n 9", "-n 14", "-f 64", "-v 100000", "-v 150000", "-v 250000", "-v 450000"])
def test_a_limited_shell_trains_with_what_it_has_or_says_what_is_missing(tmp_path: Path, limit: str) -> None:
    command = [*PROGRAM, *PHYSICS, "--headless", "--workers", "2", "--steps", "12", "--run", "it"]
    result = subprocess.run(
        ["sh", "-c", f'ulimit {limit}; exec "$@"', "sh", *command],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        env=environment(OPENBLAS_NUM_THREADS="1"),
    )
    said = result.stderr + result.stdout
    assert result.returncode in (0, 1, 2), said
    assert b"Traceback" not in said
    assert b"OpenBLAS" not in said
    if result.returncode == 2:
        assert result.stderr.count(b"\n") == 1


@pytest.mark.parametrize(("limit", "starts", "threads"), [(1, False, "1"), (100, True, "7"), (-1, False, "7")])
def test_a_blas_starts_no_threads_where_there_may_be_none(
    limit: int, starts: bool, threads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    monkeypatch.setattr("resource.getrlimit", lambda kind: (limit, limit))
    monkeypatch.setattr("tui.cli.can_start", lambda count: starts)
    _spare_threads()
    assert os.environ["OPENBLAS_NUM_THREADS"] == threads


# --- the log of samples -----------------------------------------------------------------------------


def kept(steps: range) -> list[int]:
    before: int | None = None
    found = []
    for step in steps:
        if is_sample_kept(step, before):
            found.append(step)
            before = step
    return found


def test_samples_in_the_log_grow_rarer_and_stay_spread_over_the_run() -> None:
    """A sample every 7 s, at 10 steps a second: a day has 12,000."""
    found = kept(range(0, 24 * 3_600 * 10, 70))
    assert found[:SAMPLES_PER_DOUBLING] == list(range(0, 70 * SAMPLES_PER_DOUBLING, 70))
    assert len(found) < 8 * SAMPLES_PER_DOUBLING
    apart = np.diff(found)
    assert (apart <= np.maximum(70, np.array(found[1:]) / SAMPLES_PER_DOUBLING + 70)).all()


def test_a_sample_that_the_log_has_no_room_for_still_reaches_viewers_and_one_after_a_roll_back_is_kept(
    tmp_path: Path,
) -> None:
    session = new_session(SMALL, tmp_path / "run")
    link, recorder = session.connect(), session.loop.recorder
    for step in (0, 10_000, 10_001, 10_100):
        session.loop.finish_sample(Sample(step, None, 1.0, "x", np.ones(1, np.float32)))
    recorder.forget_after(5_000)
    session.loop.finish_sample(Sample(5_010, None, 1.0, "x", np.ones(1, np.float32)))
    assert len(link.events()) == 5
    session.loop.close()
    assert [sample.step for sample in RunReader(tmp_path / "run").samples()] == [0, 5_010]
