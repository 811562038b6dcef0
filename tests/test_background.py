"""What is computed beside the training: partial and complete results, whose turn it is, and what it costs."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from engine.session import background as module
from engine.session.background import Background
from tests.waiting import wait_for


def test_pieces_are_shown_only_until_there_is_a_result() -> None:
    background, gate = Background("test"), threading.Event()
    shown: list[Any] = []

    def job(name: str) -> Iterator[Any]:
        yield f"{name} begun"
        assert gate.wait(120)
        yield None
        yield f"{name} done"

    assert background.ask("q", 1, lambda: job("first")) is None
    wait_for(lambda: background.ask("q", 1, lambda: job("never")) == "first begun")
    assert background.is_busy
    gate.set()
    wait_for(lambda: not background.is_busy)
    assert background.ask("q", 1, lambda: job("never")) == "first done"
    assert not background.is_busy
    gate.clear()
    background.ask("q", 2, lambda: job("second"))
    time.sleep(0.05)
    shown.append(background.ask("q", 2, lambda: job("never")))
    gate.set()
    wait_for(lambda: not background.is_busy)
    shown.append(background.ask("q", 2, lambda: job("never")))
    assert shown == ["first done", "second done"]


def test_a_job_that_fails_is_not_tried_again_for_the_same_version(capsys: pytest.CaptureFixture[str]) -> None:
    background, begun = Background("test"), []

    def job() -> Iterator[Any]:
        begun.append(1)
        yield "half"
        raise RuntimeError("odd weights")

    background.ask("q", 1, job)
    wait_for(lambda: not background.is_busy)
    assert background.ask("q", 1, job) == "half"
    assert len(begun) == 1
    assert "odd weights" in capsys.readouterr().err


def test_the_job_asked_for_last_comes_first_and_the_oldest_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    times = itertools.count()  # so that no two jobs are asked for at the same time
    background, order = (
        Background("test", clock=lambda: next(times) / 1000),
        list[int](),
    )  # no two jobs at the same time
    begun, gate = threading.Event(), threading.Event()

    def job(name: int) -> Iterator[Any]:
        if name == 0:
            begun.set()
            gate.wait(120)
        yield None
        order.append(name)
        yield name

    background.ask(0, 1, lambda: job(0))
    assert begun.wait(120)
    for name in range(1, module.MOST_JOBS + 1):
        background.ask(name, 1, lambda name=name: job(name))  # type: ignore[misc]
    gate.set()
    wait_for(lambda: not background.is_busy)
    assert order == [*range(module.MOST_JOBS, 0, -1)]  # without 0, which nobody had asked for the longest


def test_a_job_that_nobody_asks_for_any_more_is_given_up() -> None:
    now, pieces = [0.0], list[float]()
    background = Background("test", clock=lambda: now[0])

    def job() -> Iterator[Any]:
        while True:
            now[0] += module.FORGOTTEN / 4
            pieces.append(now[0])
            yield None

    background.ask("q", 1, job)
    wait_for(lambda: not background.is_busy)
    assert len(pieces) == 5


class Rests(threading.Event):
    """Stands in for the event that ends a rest, and notes how long each would be, in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seconds.append(timeout)
        return False


def rests_of(piece: object, *, is_hurried: bool) -> list[float | None]:
    """The rests after pieces that take 10 ms each, at a twentieth of the time."""
    now, rests = [0.0], Rests()
    background = Background("test", share=0.05, clock=lambda: now[0])
    background.is_hurried, background._woken = is_hurried, rests

    def job() -> Iterator[Any]:
        for _ in range(5):
            now[0] += 0.01
            yield piece

    background.ask("q", 1, job)
    wait_for(lambda: not background.is_busy)
    return rests.seconds


def test_it_rests_between_pieces_once_there_is_something_to_show_and_less_if_it_is_hurried() -> None:
    assert rests_of(None, is_hurried=False) == []
    assert rests_of("shown", is_hurried=True) == pytest.approx([0.01 / module.HURRIED - 0.01] * 5)
    assert rests_of("shown", is_hurried=False) == pytest.approx([0.01 / 0.05 - 0.01] * 5)
