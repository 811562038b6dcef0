"""A run ends in one place only once it goes on in another; if that fails, it goes on where it was, as it was."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

from engine.config import Config
from engine.errors import UserError
from engine.remote import detach
from engine.remote.archive import ArchiveLink
from engine.remote.client import RemoteLink
from engine.runs.lock import RunLock, holder
from engine.runs.reader import RunReader
from engine.session.messages import (
    Clamp,
    Link,
    Notice,
    Pause,
    RollBack,
    SamplingSettings,
    ScaleLearningRate,
    SetSampling,
    SetView,
    Snapshot,
    State,
    Stop,
    View,
)
from engine.session.session import Session
from engine.session.start import new_session, resumed_session
from engine.training import cores
from tests.finished_run import TEXT, finish_run
from tests.waiting import snapshot_where, wait_for
from tui.app import foreground as foreground_module
from tui.app.foreground import Foreground

STATES: tuple[State, ...] = ("training", "paused", "diverged")
CLAMP = Clamp(0, 3, 0.75)
ASKED = SamplingSettings(0.3, 5, prompt="the fox")


@dataclass
class Moving:
    """A run in this process, with all that a user can have set, in a certain state."""

    foreground: Foreground
    session: Session
    link: Link
    state: State

    def look(self, link: Link | None = None) -> Snapshot:
        """A snapshot that answers a view sent now."""
        link = link or self.link
        number = link.send(SetView(View(cells_kind="h", prompt="the")))
        return snapshot_where(link, lambda s: s.obeyed >= number and s.cells and s.sampling)


@pytest.fixture
def small(tmp_path: Path) -> Config:
    text = tmp_path / "fox.txt"
    text.write_text(TEXT * 60)
    return Config(text=(str(text),), hidden=8, embedding=4, batch=2, seq=10, threads=1, workers=1)


@pytest.fixture
def move(small: Config, tmp_path: Path) -> Iterator[Callable[[State], Moving]]:
    """`move(state)`: a run in this state, ready to be moved."""
    foreground = Foreground()

    def make(state: State) -> Moving:
        session = new_session(small.replace(lr=1e-3), tmp_path / "calm-fox")
        link = foreground.begin(session)
        for command in (CLAMP, SetSampling(0.3, 5, prompt="the fox"), ScaleLearningRate(0.5)):
            link.send(command)
        snapshot_where(link, lambda s: s.step > 60)
        if state == "paused":
            link.send(Pause())
        if state == "diverged":
            session.loop.safeguard.trouble = lambda step: "the loss is not a number any more"  # type: ignore[method-assign]
            snapshot_where(link, lambda s: s.state == "diverged")
            del session.loop.safeguard.trouble
        snapshot_where(link, lambda s: s.state == state)
        return Moving(foreground, session, link, state)

    yield make
    foreground.end()


def assert_as_it_was(before: Snapshot, after: Snapshot) -> None:
    """Nothing that a user has set, or sees, has changed, but for the steps of a run that trains."""
    assert (after.state, after.reason) == (before.state, before.reason)
    assert after.step == before.step if before.state != "training" else after.step >= before.step
    assert (after.lr, after.sampling) == (before.lr, ASKED) == (5e-4, before.sampling)
    assert after.seconds >= before.seconds
    assert after.best_val_loss == before.best_val_loss or before.state == "training"
    assert after.history.step[-1] > before.step - 10 or before.state == "diverged"  # a line of metrics every 10 steps
    assert before.cells is not None
    assert after.cells is not None
    assert after.cells.clamped == before.cells.clamped != ()
    assert after.loss == before.loss or before.state == "training"


# --- it moves -----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
def test_a_run_is_in_its_own_process_as_it_was_here(move: Callable[[State], Moving], state: State) -> None:
    moving = move(state)
    before = moving.look()
    link = moving.foreground.hand_over()
    with contextlib.closing(link):
        assert link.is_remote
        assert link.info.detached
        pid = holder(moving.session.directory)
        assert pid not in (None, os.getpid())
        assert_as_it_was(before, moving.look(link))
        if state == "diverged":
            link.send(RollBack())
            assert snapshot_where(link, lambda s: s.state == "training" and s.step > before.step + 20).lr == 2.5e-4
        link.send(Stop())
        snapshot_where(link, lambda s: s.state == "stopped")
    wait_for(lambda: holder(moving.session.directory) is None)


def test_what_happens_or_is_asked_meanwhile_is_not_lost(
    move: Callable[[State], Moving], monkeypatch: pytest.MonkeyPatch
) -> None:
    moving = move("training")
    spawn = foreground_module.spawn

    def slowly(directory: Path, **options: Any) -> None:
        assert RunReader(directory).state == "stopped"  # nobody has it
        moving.link.send(ScaleLearningRate(0.5))
        moving.link.send(Pause())
        spawn(directory, **options)
        wait_for(lambda: RunReader(directory).status.step > 600)  # it trains before anyone looks

    monkeypatch.setattr(foreground_module, "spawn", slowly)
    with contextlib.closing(moving.foreground.hand_over()) as link:
        snapshot = snapshot_where(link, lambda s: s.state == "paused")
        assert snapshot.lr == 2.5e-4
        assert snapshot.moments[:10] == (0, 1, 2, 5, 10, 20, 50, 100, 200, 500)
        link.send(Stop())
        snapshot_where(link, lambda s: s.is_over)


# --- it cannot move -----------------------------------------------------------------------------


def refuse(*_: Any, **__: Any) -> NoReturn:
    raise OSError(errno.EAGAIN, "Resource temporarily unavailable")


def no_process(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", refuse)


def no_file(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)


def no_space(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.runs.checkpoint.write", refuse)


def a_process_that_refuses(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "print('charrnn-tui: no socket can be made there; choose another place', flush=True); exit(2)"
    monkeypatch.setattr(foreground_module, "program", lambda *_: [sys.executable, "-c", code])


def a_process_that_is_killed(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import os; os.kill(os.getpid(), 9)"
    monkeypatch.setattr(foreground_module, "program", lambda *_: [sys.executable, "-c", code])


def a_process_that_disappears(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreground_module, "program", lambda *_: [sys.executable, "-c", ""])


def a_long_step(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, is_begun = moving.session.loop, threading.Event()
    advance = loop.advance

    def advance_late() -> bool:
        is_begun.set()
        wait_for(lambda: loop.advance != advance_late)  # it ends once the obstacle is taken away
        return advance()

    monkeypatch.setattr(foreground_module, "BUSY", 0.1)
    monkeypatch.setattr(loop, "advance", advance_late)
    assert is_begun.wait(120)


OBSTACLES: dict[Callable[[Moving, pytest.MonkeyPatch], None], str] = {
    no_process: "no process can be started",
    no_file: "no process can be started",
    no_space: "cannot save",
    a_process_that_refuses: "^no socket can be made there; choose another place$",
    a_process_that_is_killed: "exit code -9",
    a_process_that_disappears: "no process answers",
    a_long_step: "busy with a step",
}


@pytest.mark.parametrize(
    ("obstacle", "state"),
    [
        *((obstacle, "training") for obstacle in OBSTACLES),
        *((obstacle, state) for obstacle in (no_process, no_space) for state in ("paused", "diverged")),
    ],
)
def test_a_run_that_cannot_move_goes_on_here_as_it_was(
    obstacle: Callable[[Moving, pytest.MonkeyPatch], None],
    state: State,
    move: Callable[[State], Moving],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moving = move(state)
    before = moving.look()
    with contextlib.closing(RemoteLink(moving.session.directory)) as other, monkeypatch.context() as patch:
        obstacle(moving, patch)
        for _ in range(2):
            with pytest.raises(UserError, match=OBSTACLES[obstacle]):
                moving.foreground.hand_over()
        patch.undo()
        assert_as_it_was(before, moving.look())
        if state == "training":
            snapshot_where(moving.link, lambda s: s.step > before.step + 20)
        assert holder(moving.session.directory) == os.getpid()
        assert RunReader(moving.session.directory).state == state
        other.send(SetView(View()))
        snapshot_where(other, lambda s: s.state == state and s.live)  # the viewer in another terminal is back, too
    moving.foreground.end()
    assert holder(moving.session.directory) is None


def test_it_goes_on_with_the_same_bits(small: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = []
    for interrupted in (False, True):
        session = new_session(small.replace(steps=200, layers=2, dropout=0.2), tmp_path / f"run-{interrupted}")
        foreground = Foreground()
        link = foreground.begin(session)
        if interrupted:
            monkeypatch.setattr(subprocess, "Popen", refuse)
            for step in (30, 60, 90):
                snapshot_where(link, lambda s, step=step: s.step > step)  # type: ignore[misc]
                with contextlib.suppress(UserError):
                    foreground.hand_over()
        snapshot_where(link, lambda s: s.state == "finished")
        foreground.end()
        steps = RunReader(session.directory).metrics()["step"].tolist()
        assert steps == sorted(set(steps))
        weights.append(RunReader(session.directory).weights().flat.tobytes())
    assert weights[0] == weights[1]


def test_a_run_that_another_process_took_meanwhile_is_shown_as_it_left(
    move: Callable[[State], Moving], monkeypatch: pytest.MonkeyPatch
) -> None:
    moving = move("training")
    locks: list[RunLock] = []

    def refuse_and_take(*_: Any, **__: Any) -> NoReturn:
        locks.append(RunLock(moving.session.directory))
        raise UserError("the text is gone")

    monkeypatch.setattr(foreground_module, "spawn", refuse_and_take)
    link = moving.foreground.hand_over()
    with contextlib.closing(link):
        assert isinstance(link, ArchiveLink)
        assert Notice("the text is gone", "error") in link.events()
        assert wait_for(link.take).is_over
    locks[0].release()


def test_a_run_that_another_process_took_up_first_is_watched_there(small: Config, tmp_path: Path) -> None:
    new_session(small, tmp_path / "calm-fox").close()
    foreground_module.spawn(tmp_path / "calm-fox")
    foreground = Foreground()
    with contextlib.closing(foreground.take_up(tmp_path / "calm-fox")) as link:
        assert link.is_remote
        assert any("in another process" in event.text for event in link.events() if isinstance(event, Notice))
        snapshot_where(link, lambda s: s.live and s.step > 20)
        link.send(Stop())
        snapshot_where(link, lambda s: s.state == "stopped")
    foreground.end()


@pytest.mark.parametrize("how", ["stop", "leave"])
def test_leaving_while_it_moves(how: str, move: Callable[[State], Moving], monkeypatch: pytest.MonkeyPatch) -> None:
    """A `Stop` is obeyed: the process that begins is ended. Without one the run may go on without the program."""
    moving = move("training")
    started = threading.Event()
    code = "import time; time.sleep(60)"

    def spawned(command: list[str], directory: Path, *, wanted: Callable[[], bool]) -> int:
        started.set()
        return detach.spawn_detached([sys.executable, "-c", code], directory, wanted=wanted)

    monkeypatch.setattr(foreground_module, "spawn_detached", spawned)
    refused: list[str] = []

    def hand_over() -> None:
        try:
            moving.foreground.hand_over()
        except UserError as error:
            refused.append(str(error))

    thread = threading.Thread(target=hand_over)
    thread.start()
    assert started.wait(120)
    if how == "stop":
        moving.link.send(Stop())
        thread.join(120)
    moving.foreground.end(patience=0.2)
    assert bool(refused) is (how == "stop")
    assert (holder(moving.session.directory), RunReader(moving.session.directory).state) == (None, "stopped")
    moving.link.send(Stop())  # the test ends what would go on
    thread.join(120)
    assert not thread.is_alive()


# --- another run begins -------------------------------------------------------------------------


def test_a_run_that_cannot_begin_leaves_the_one_before(
    move: Callable[[State], Moving], small: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moving = move("training")
    monkeypatch.chdir(tmp_path)
    threads: list[int] = []
    monkeypatch.setattr("engine.session.session.set_threads", threads.append)
    with pytest.raises(UserError):
        moving.foreground.begin_new(small.replace(text=("nowhere.txt",)))
    for error, sentence in (
        (OSError(12, "Cannot allocate memory"), "Cannot allocate"),
        (MemoryError(), "enough memory"),
    ):

        def fail(*_: Any, error: BaseException = error, **__: Any) -> NoReturn:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(foreground_module, "new_session", fail)
            with pytest.raises(UserError, match=sentence):
                moving.foreground.begin_new(small)
    with monkeypatch.context() as patch:
        patch.setattr(Session, "start", lambda self: (_ for _ in ()).throw(RuntimeError("can't start new thread")))
        with pytest.raises(UserError, match="can't start new thread"):
            moving.foreground.begin_new(small)
    assert threads[-1] == 1
    step = moving.look().step
    snapshot_where(moving.link, lambda s: s.state == "training" and s.step > step + 20)
    RemoteLink(moving.session.directory).close()


def test_a_run_that_cannot_go_on_is_still_looked_into(
    small: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreground = Foreground()
    session = new_session(small.replace(steps=30), tmp_path / "calm-fox")
    link = foreground.begin(session)
    snapshot_where(link, lambda s: s.state == "finished")
    with monkeypatch.context() as patch:
        patch.setattr(cores, "set_threads", refuse)
        patch.setattr("engine.session.start.set_threads", refuse)
        with pytest.raises(UserError, match="cannot begin"):
            foreground.take_up(session.directory)
    number = link.send(SetView(View(prompt="the")))
    answer = snapshot_where(link, lambda s: s.obeyed >= number and s.connectivity)
    assert answer.state == RunReader(session.directory).state == "finished"
    with contextlib.closing(foreground.take_up(session.directory)) as again:
        snapshot_where(again, lambda s: s.step > 40)
        RemoteLink(session.directory).close()  # and it is served, too
    foreground.end()


def test_leaving_while_the_run_before_is_still_busy(
    move: Callable[[State], Moving], small: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the new run nor the one before, which takes long to stop, is lost."""
    moving = move("training")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(foreground_module, "PATIENCE", 0.1)
    advance = moving.session.loop.advance
    release = threading.Event()

    def advance_late() -> bool:
        assert release.wait(120)
        return advance()

    monkeypatch.setattr(moving.session.loop, "advance", advance_late)
    new = moving.foreground.begin_new(small)
    snapshot_where(new, lambda s: s.step > 20)
    assert holder(moving.session.directory) == os.getpid()
    threading.Timer(0.3, release.set).start()
    moving.foreground.end(patience=120)
    for directory in (moving.session.directory, Path(new.info.directory)):
        assert (holder(directory), RunReader(directory).state) == (None, "stopped")


def test_held_units_and_the_learning_rate_survive_a_save(tmp_path: Path) -> None:
    run = finish_run(tmp_path / "calm-fox", steps=20, schedule="step:5:0.5", lr=1e-3)
    foreground = Foreground()
    link = foreground.take_up(run)
    for command in (CLAMP, Pause()):
        link.send(command)
    snapshot_where(link, lambda s: s.state == "paused")
    link.send(ScaleLearningRate(0.5))
    live = snapshot_where(link, lambda s: s.obeyed == 3 and s.cells)
    foreground.end()
    with contextlib.closing(ArchiveLink(run)) as archive:
        ended = wait_for(archive.take)
        assert ended.step == live.step
        assert ended.lr == pytest.approx(live.lr)  # not that of the last line in the log
    again = Foreground()
    link = again.take_up(run)
    cells = snapshot_where(link, lambda s: s.cells).cells
    assert cells is not None
    assert cells.clamped == ((3, 0.75),)
    again.end()


def contents(run: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in run.iterdir() if file.is_file() and file.name != "lock"}


@pytest.mark.parametrize("steps", [10, 100])
def test_a_resumption_that_is_refused_changes_nothing(
    steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even what the run logged after its last save is dropped, as it is when the run goes on."""
    run = finish_run(tmp_path / "calm-fox", steps=30)
    with (run / "metrics.jsonl").open("a") as log:
        log.write('{"step": 35, "loss": 2.0, "lr": 0.1}\n')
    before = contents(run)
    with monkeypatch.context() as patch:
        if steps == 100:
            patch.setattr("engine.session.assembly.Trainer", refuse)
        with pytest.raises((UserError, OSError)):
            resumed_session(run, steps)
    assert contents(run) == before
    assert resumed_session(run, 40).run() == "finished"
    assert contents(run) != before
