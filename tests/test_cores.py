"""How the cores are used is decided by times; here they are made up."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine import cores
from engine.config import Config

ONE, TWO = (1, 1), (1, 2)


class FakeTrainer:
    """Knows which way it goes, and does nothing."""

    def __init__(self, config: Config, *_: object) -> None:
        self.way = (config.threads, config.workers)

    def step(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def choose(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[float]], tuple[tuple[int, int], int]]:
    """What is chosen, and after how many attempts, where a step of two processes takes so long in each attempt."""
    attempts = 0
    once = cores._time_in_turns

    def counted(*arguments: object) -> None:
        nonlocal attempts
        attempts += 1
        once(*arguments)  # type: ignore[arg-type]

    def choose(seconds: list[float]) -> tuple[tuple[int, int], int]:
        monkeypatch.setattr(cores, "seconds_of", lambda trainer: seconds[attempts - 1] if trainer.way == TWO else 0.001)
        return cores.measure(Config(), 10, [ONE, TWO]), attempts

    monkeypatch.setattr(cores, "Trainer", FakeTrainer)
    monkeypatch.setattr(cores, "SLICE_SECONDS", 0.002)
    monkeypatch.setattr(cores, "set_threads", lambda count: None)
    monkeypatch.setattr(cores, "_time_in_turns", counted)
    return choose


def test_what_wins_clearly_is_chosen_at_once(choose):
    assert choose([0.0006]) == (TWO, 1)


def test_what_wins_by_little_or_not_at_all_is_not_worth_a_core(choose):
    assert choose([0.0009, 0.0009, 0.0009]) == (ONE, 3)


def test_a_busy_moment_does_not_decide(choose):
    assert choose([0.005, 0.0006, 0.0006])[0] == TWO
