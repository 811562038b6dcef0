"""A real run behind a socket, in this process and in one of its own that outlives the terminal it was started in."""

import contextlib
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import Config
from engine.errors import UserError
from engine.remote import detach
from engine.remote.client import RemoteLink
from engine.remote.detach import spawn_detached
from engine.remote.server import RunServer
from engine.runs.lock import holder
from engine.session.messages import (
    Clamp,
    Command,
    Failed,
    Notice,
    Pause,
    Resume,
    RollBack,
    Save,
    Saved,
    ScaleLearningRate,
    SetSampling,
    SetView,
    ShiftSampling,
    StateChanged,
    StepOnce,
    Stop,
    View,
)
from engine.session.session import Session
from engine.session.start import new_session
from tests.waiting import snapshot_where, wait_for
from tui.app.foreground import program, spawn

SAID = "the quick"


@pytest.fixture
def session(tmp_path: Path) -> Session:
    text = tmp_path / "fox.txt"
    text.write_text("the quick brown fox (jumps) over the lazy dog\n" * 60)
    config = Config(text=(str(text),), hidden=8, embedding=4, batch=2, seq=10, threads=1)
    return new_session(config, tmp_path / "calm-fox")


@pytest.fixture
def stored(session: Session) -> Path:
    """The directory of a run that has been made and can be taken up."""
    session.loop.recorder.close()
    return Path(session.info.directory)


@pytest.fixture
def link(session: Session) -> Iterator[RemoteLink]:
    """A viewer of a live session, over its socket."""
    session.start()
    with contextlib.ExitStack() as stack:
        stack.callback(session.join, 20)
        stack.callback(session.send, Stop())
        stack.callback(RunServer(session, session.directory).close)
        yield stack.enter_context(contextlib.closing(RemoteLink(session.directory)))


@pytest.fixture
def running() -> Iterator[list[int]]:
    """Process ids of runs that a failing test may leave behind."""
    processes: list[int] = []
    yield processes
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def save_of(link: RemoteLink) -> Saved | None:
    """The save that a viewer asked for; others may be due before it."""
    saves = [event for event in link.events() if isinstance(event, Saved) and event.why == "asked"]
    return saves[0] if saves else None


def test_a_live_run_is_watched_and_steered(link: RemoteLink) -> None:
    assert snapshot_where(link, lambda s: s.moments).moments[0] == 0
    link.send(SetView(View(prompt=SAID)))
    seen = snapshot_where(link, lambda s: s.connectivity and s.connectivity.prompt == SAID)
    assert seen.connectivity is not None
    assert seen.connectivity.matrix.shape == (len(SAID), len(SAID))
    snapshot_where(link, lambda s: s.gradients and s.cells and s.sample)
    number = link.send(ScaleLearningRate(0.5))
    assert snapshot_where(link, lambda s: s.obeyed >= number).lr == Config().lr * 0.5
    link.send(Pause())
    paused = snapshot_where(link, lambda s: s.state == "paused")
    link.send(StepOnce())
    assert snapshot_where(link, lambda s: s.step > paused.step).step == paused.step + 1
    link.send(Save())
    assert wait_for(lambda: save_of(link)).step == paused.step + 1
    link.send(Resume())
    snapshot_where(link, lambda s: s.step > paused.step + 10)


def test_well_formed_nonsense_leaves_training_unharmed(link: RemoteLink) -> None:
    views = [
        View(visible=("tea",)),
        View(prompt="\ud800\x00", candidate="\ud800zz"),
        View(prompt=SAID, position=2**62, candidate="狐"),
        View(prompt=SAID, position=-(2**62), occlusion=True),
        View(prompt="q" * 5000, mode="squared"),
        View(prompt=SAID, moment=-5),
        View(gradient_layer=500, gradient_state="c"),
        View(gradient_layer=-3, gradient_view="triangle"),
        View(cells_layer=99, cells_kind="tea", cells_sort="tea"),
    ]
    commands: list[Command] = [
        *(ScaleLearningRate(factor) for factor in (math.nan, math.inf, -1.0, 0.0)),
        SetSampling(math.nan, -5, math.nan, "\ud800", -3),
        SetSampling(-1.0, 2**62, 7.0, "", 2**62),
        *(ShiftSampling(by, 2**62, -(2**62)) for by in (math.nan, math.inf, -math.inf)),
        *(Clamp(layer, unit, 0.5) for layer, unit in ((5, 0), (-1, -1), (0, 2**62))),
        Clamp(0, 0, math.nan),
        RollBack(math.nan),
        *map(SetView, views),
    ]
    for command in commands:
        link.send(command)
        wait_for(link.take)
    step = wait_for(link.take).step
    snapshot_where(link, lambda s: s.step > step + 100)
    assert not [event for event in link.events() if isinstance(event, (Failed, Notice))]
    link.send(SetView(View(prompt=SAID)))
    assert math.isfinite(snapshot_where(link, lambda s: s.connectivity and s.connectivity.prompt == SAID).loss)


def test_a_run_of_its_own(stored: Path, running: list[int]) -> None:
    process = spawn_detached(program("train", "--resume", str(stored), "--background"), stored)
    running.append(process)
    with contextlib.closing(RemoteLink(stored)) as link:
        assert link.info.detached
        assert holder(stored) == process
        snapshot_where(link, lambda s: s.step > 10)
        link.send(Stop())
        last = snapshot_where(link, lambda s: s.state == "stopped")
        assert "stopped" in [event.state for event in link.events() if isinstance(event, StateChanged)]
    wait_for(lambda: holder(stored) is None)
    wait_for(lambda: not Path(f"/proc/{process}").exists())  # nor is it left as a zombie
    assert (stored / "model.safetensors").exists()
    assert last.step > 10


def test_it_outlives_its_terminal(stored: Path, running: list[int]) -> None:
    code = (
        "import fcntl, os, sys, termios, time; from pathlib import Path\n"
        "from engine.remote.detach import spawn_detached; from tui.app.foreground import program\n"
        "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
        "path = sys.argv[1]\n"
        "print(spawn_detached(program('train', '--resume', path, '--background'), Path(path)), flush=True)\n"
        "time.sleep(600)"
    )
    primary, terminal = os.openpty()
    starter = subprocess.Popen(
        [sys.executable, "-c", code, stored], stdin=terminal, stdout=subprocess.PIPE, start_new_session=True
    )
    os.close(terminal)
    assert starter.stdout is not None
    with starter.stdout:
        process = int(starter.stdout.readline())
    running.append(process)
    os.close(primary)
    assert starter.wait(120) == -signal.SIGHUP
    assert os.getsid(process) == process
    outputs = [Path(f"/proc/{process}/fd/{number}") for number in range(3)]
    wait_for(lambda: [output.readlink().name for output in outputs] == ["null", "log.txt", "log.txt"])
    with contextlib.closing(RemoteLink(stored)) as link:
        step = snapshot_where(link, lambda s: s.state == "training").step
        snapshot_where(link, lambda s: s.step > step)
        os.kill(process, signal.SIGHUP)
        step = snapshot_where(link, lambda s: True).step
        snapshot_where(link, lambda s: s.step > step + 10)
        os.kill(process, signal.SIGKILL)
        last = snapshot_where(link, lambda s: s.state == "crashed")
        assert "its last save is kept" in last.reason


def test_why_it_did_not_start(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^\S*nowhere: there is no such run"):
        spawn(tmp_path / "nowhere")


def test_the_answer_of_another_process_is_none_of_its_own(session: Session, link: RemoteLink) -> None:
    with pytest.raises(UserError, match=r"calm-fox: process \d+ is writing this run"):
        spawn(session.directory)


def test_a_run_that_was_over_at_once(tmp_path: Path) -> None:
    process = spawn_detached(program("--version"), tmp_path)
    wait_for(lambda: not Path(f"/proc/{process}").exists())  # nor is it left as a zombie


def test_giving_up_leaves_no_process(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def give_up(process: subprocess.Popen[bytes], *_: object) -> None:
        started.append(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(detach, "_wait_for_answer", give_up)
    with pytest.raises(KeyboardInterrupt):
        spawn_detached(program("train", "--resume", str(stored), "--background"), stored)
    assert started[0].returncode is not None
    assert holder(stored) is None
