"""Viewers that send far too much: many commands cost no more than one, and the training keeps most of its time."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config import Config
from engine.remote import codec, connection
from engine.session.live_run import LiveRun
from engine.session.local_link import MOST_WAITING, LocalLink
from engine.session.loop import ASKED_BURST, ASKED_SHARE, MOST_SINGLE_STEPS
from engine.session.messages import (
    LONGEST_PROMPT,
    Clamp,
    Command,
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
from engine.session.pace import Allowance
from engine.session.session import Session
from engine.session.snapshots import take_snapshot
from engine.session.start import new_session
from tests.e2e.program import PHYSICS, PROGRAM, assert_saved, environment
from tests.waiting import Clock

SMALL = Config(text=("physics",), hidden=12, embedding=6, batch=4, seq=10, threads=1, workers=1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def session(tmp_path: Path, clock: Clock) -> Iterator[Session]:
    """A run that trains when a test calls `_turn`; its allowance goes by `clock`."""
    session = new_session(SMALL, tmp_path / "run")
    session.loop.allowance = Allowance(ASKED_SHARE, ASKED_BURST, clock)
    session.loop.change("training")
    yield session
    session.loop.close()


def counted(session: Session, monkeypatch: pytest.MonkeyPatch, place: object, name: str) -> list[object]:
    """A list that grows by one entry with each call of the method `name` of `place`."""
    calls: list[object] = []
    method: Callable[..., Any] = getattr(place, name)

    def count(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        return method(*arguments, **options)

    monkeypatch.setattr(place, name, count)
    return calls


@pytest.mark.parametrize(
    ("commands", "place", "name"),
    [
        ([Save()], "recorder", "save"),
        ([Save(), Pause(), Resume()], "recorder", "save"),
        ([Clamp(0, 3, 1.0), Clamp(0, 4, 1.0)], "trainer", "validate"),
        ([SetSampling(prompt="mass"), SetSampling(prompt="force")], "samples.sampler", "prime"),
        ([SetView(View(prompt=prompt)) for prompt in ("mass", "force", "light")], "instruments._questions", "_explain"),
        ([StepOnce(), Resume(), Pause()], "recorder", "set_state"),
        ([Pause(), Resume(), RollBack(), Pause()], "recorder", "set_state"),
    ],
    ids=lambda value: type(value[0]).__name__ if isinstance(value, list) else value,
)
def test_what_many_commands_ask_for_is_done_once(
    session: Session, monkeypatch: pytest.MonkeyPatch, commands: list[Command], place: str, name: str
) -> None:
    link = session.connect()
    session._turn()
    session.loop.clock = lambda: time.monotonic() + 1  # a sample grows with the next snapshot
    where: object = session.loop
    for part in place.split("."):
        where = getattr(where, part)
    calls = counted(session, monkeypatch, where, name)
    sent = [link.send(commands[number % len(commands)]) for number in range(MOST_WAITING)]
    session._turn()
    session.viewers.serve(session.loop)
    assert len(calls) <= 2  # a held unit is measured with and without
    assert calls
    snapshot = link.take()
    assert snapshot is not None
    assert snapshot.obeyed == sent[-1] == MOST_WAITING


def test_the_last_of_those_that_supersede_each_other_holds_and_relative_ones_add_up(session: Session) -> None:
    link = session.connect()
    for _ in range(20):
        for command in (Pause(), Resume(), ScaleLearningRate(1.25), ScaleLearningRate(0.8), ShiftSampling(0.1)):
            link.send(command)
    last = (ScaleLearningRate(0.5), SetView(View(prompt="mass")), SetView(View(prompt="force")), Pause())
    for each in last:
        link.send(each)
    session._turn()
    session.viewers.serve(session.loop)
    snapshot = link.take()
    assert snapshot is not None
    assert (snapshot.state, snapshot.step, snapshot.obeyed) == ("paused", 0, 104)
    assert snapshot.lr == pytest.approx(SMALL.lr / 2)
    assert snapshot.sampling is not None
    assert snapshot.sampling.temperature == pytest.approx(2.8)
    assert snapshot.connectivity is not None
    assert snapshot.connectivity.prompt == "force"
    assert [event.state for event in link.events() if isinstance(event, StateChanged)] == ["paused"]


def test_single_steps_are_counted_up_to_a_bound_and_end_when_the_run_trains_on(session: Session) -> None:
    link = session.connect()
    for _ in range(20):
        for _ in range(MOST_WAITING):
            link.send(StepOnce())
        session.viewers.obey(session.loop)
    assert session.loop._single_steps == MOST_SINGLE_STEPS
    link.send(Resume())
    link.send(Pause())
    session._turn()
    session._turn()
    assert session.loop.trainer.steps == 0


def test_a_viewer_whose_commands_wait_can_send_no_more_but_a_stop(session: Session) -> None:
    link = session.connect()
    numbers = [link.send(Save()) for _ in range(MOST_WAITING + 50)]
    assert numbers[-51:] == [MOST_WAITING] * 51
    assert link.send(Stop(save=False)) == MOST_WAITING + 1
    assert not session._turn()
    assert session.state == "stopped"
    (saved,) = [event for event in link.events() if isinstance(event, Saved)]  # which was asked for before
    assert saved.why == "asked"


def test_commands_that_arrive_while_others_are_obeyed_wait_for_the_next_step(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = session.connect()
    apply = session.loop.apply

    def apply_and_flood(command: Command) -> None:
        apply(command)
        link.send(ScaleLearningRate(1.0))

    monkeypatch.setattr(session.loop, "apply", apply_and_flood)
    link.send(ScaleLearningRate(1.0))
    for step in range(1, 6):
        assert session._turn()
        assert session.steps == step


def test_saves_take_a_share_of_the_time_however_often_they_are_asked_for(
    session: Session, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key `s` is held for a minute, a save takes half a second and a step 0.1 s."""
    link = session.connect()
    saving = 0.0
    save = session.loop.recorder.save

    def slow(*arguments: Any) -> Any:
        nonlocal saving
        saving += 0.5
        clock.now += 0.5
        return save(*arguments)

    monkeypatch.setattr(session.loop.recorder, "save", slow)
    while clock.now < 60:
        for _ in range(3):
            link.send(Save())
        assert session._turn()
        clock.now += 0.1
    assert saving <= ASKED_SHARE * 60 + ASKED_BURST + 0.5
    assert saving > 0.5 * ASKED_SHARE * 60
    session.send(Pause())
    session._turn()
    before = saving
    link.send(Save())
    session._turn()
    assert saving > before  # a run that stands has time


def test_costly_questions_delay_their_viewers_and_not_the_training(
    session: Session, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight viewers ask something new all the time, and each answer takes a second."""
    links = [session.connect() for _ in range(8)]
    answered: list[LocalLink] = []

    def slow(loop: LiveRun, view: View, *, urgent: bool, obeyed: int) -> Any:
        clock.now += 1.0
        answered.append(links[int(view.prompt)])
        return take_snapshot(loop, View(visible=()), urgent=urgent, obeyed=obeyed)

    monkeypatch.setattr("engine.session.viewers.take_snapshot", slow)
    session.viewers._clock = clock
    training = 0.0
    while clock.now < 60:
        for number, link in enumerate(links):
            link.send(SetView(View(prompt=str(number))))
        assert session._turn()
        training += 0.2
        clock.now += 0.2
    assert training > 0.6 * clock.now
    times = [answered.count(link) for link in links]
    assert min(times) > 0
    assert max(times) - min(times) <= 1  # nobody is passed over


def test_a_stop_is_obeyed_before_any_viewer_is_served(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    links = [session.connect() for _ in range(64)]
    for link in links:
        for number in range(MOST_WAITING):
            link.send((Save(), SetView(View(prompt=str(number))), Pause())[number % 3])

    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr("engine.session.viewers.take_snapshot", never)
    session.send(Stop())
    session._turn()
    assert session.state == "stopped"


def test_views_and_settings_that_make_no_sense_are_answered_like_others(session: Session) -> None:
    link = session.connect()
    absurd = View(
        visible=("samples", "gradients", "connectivity", "cells", "no such instrument") * 5_000,
        prompt="mass " * 10_000,
        position=2**62,
        candidate="x" * 100_000,
        moment=-(2**62),
        gradient_layer=2**62,
        cells_layer=-(2**62),
        cells_kind="\0" * 1_000,
        cells_sort="no such feature",
    )
    link.send(SetView(absurd))
    link.send(SetSampling(top_k=2**62, prompt="energy " * 100_000, temperature=1e300))
    link.send(SetSampling(length=2**62))  # more than can be shown
    session._turn()
    session.viewers.serve(session.loop)
    snapshot = link.take()
    assert snapshot is not None
    assert snapshot.sampling is not None
    assert len(snapshot.sampling.prompt) == LONGEST_PROMPT
    assert snapshot.sampling.length < 100_000
    assert snapshot.connectivity is not None
    assert np.isfinite(snapshot.connectivity.matrix).all()


def test_an_allowance_is_a_share_of_the_time_and_a_burst(clock: Clock) -> None:
    allowance = Allowance(0.25, 2.0, clock)

    def work(seconds: float) -> None:
        with allowance.spend():
            clock.now += seconds

    assert allowance.is_left
    work(3.0)
    assert not allowance.is_left  # a second is missing, of which 3 · 0.25 came back meanwhile
    clock.now += 0.9
    assert not allowance.is_left
    clock.now += 0.2
    assert allowance.is_left
    clock.now += 1e6
    work(1.9)
    assert allowance.is_left  # no more than the burst was saved up, but that was


def test_a_signal_is_heard_while_a_viewer_sends_saves_without_end(tmp_path: Path) -> None:
    command = [*PROGRAM, *PHYSICS, "--headless", "--workers", "1", "--run", "it"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith(b"step"):
            pass
        with contextlib.closing(connection.connect(tmp_path / "it")) as viewer:
            viewer.sendall(codec.encode(codec.Hello()))
            flood = threading.Thread(target=_send, args=(viewer, codec.encode(Save()) * 1000))
            flood.start()
            seen = 0
            while seen < 20:  # it trains on
                seen += process.stdout.readline().startswith(b"step")
            process.send_signal(signal.SIGTERM)
            process.stdout.read()
            assert process.wait() == 0
            flood.join()
    assert_saved(tmp_path / "it")


def _send(viewer: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):  # until the run ends
        while True:
            viewer.sendall(data)
