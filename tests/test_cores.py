"""How the cores are used is decided by times; here they are made up."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.config import Config
from engine.errors import ConfigError
from engine.network.parameters import Parameters
from engine.training import cores, memory
from engine.training.trainer import Trainer

Way = tuple[int, int]  # threads, processes
Choose = Callable[[list[float]], tuple[Way, int]]  # see `choose`

ONE, TWO = (1, 1), (1, 2)


class FakeTrainer:
    """Knows which way it goes, and does nothing."""

    refusal = ""
    lost = 0.0  # share of the time, by other programs

    def __init__(self, config: Config, *_: object) -> None:
        self.way = (config.threads, config.workers)
        self.contention = self

    def restart(self) -> None:
        pass

    def step(self) -> None:
        pass

    def close(self) -> None:
        pass


@pytest.fixture
def choose(monkeypatch: pytest.MonkeyPatch) -> Choose:
    """What is chosen, and after how many attempts, where a step of two processes takes so long in each attempt."""
    attempts = 0
    once = cores._time_in_turns

    def counted(trainers: dict[Way, Trainer], taken: dict[Way, list[float]]) -> None:
        nonlocal attempts
        attempts += 1
        once(trainers, taken)

    def choose(seconds: list[float]) -> tuple[Way, int]:
        monkeypatch.setattr(cores, "seconds_of", lambda trainer: seconds[attempts - 1] if trainer.way == TWO else 0.001)
        return cores.measure(Config(), 10, [ONE, TWO])[0], attempts

    monkeypatch.setattr(cores, "Trainer", FakeTrainer)
    monkeypatch.setattr(cores, "SLICE_SECONDS", 0.002)
    monkeypatch.setattr(cores, "set_threads", lambda count: None)
    monkeypatch.setattr(cores, "_time_in_turns", counted)
    return choose


def test_what_wins_clearly_is_chosen_at_once(choose: Choose) -> None:
    assert choose([0.0006]) == (TWO, 1)


def test_what_wins_by_little_or_not_at_all_is_not_worth_a_core(choose: Choose) -> None:
    assert choose([0.0009, 0.0009, 0.0009]) == (ONE, 3)


def test_a_busy_moment_does_not_decide(choose: Choose) -> None:
    assert choose([0.005, 0.0006, 0.0006])[0] == TWO


@pytest.mark.parametrize(("lost", "is_busy"), [(0.05, False), (0.15, True), (0.45, True)])
def test_it_is_known_whether_the_machine_was_busy(
    lost: float, is_busy: bool, choose: Choose, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose([0.0006])
    monkeypatch.setattr(FakeTrainer, "lost", lost)
    monkeypatch.setattr(cores, "seconds_of", lambda _: 0.001)
    assert cores.measure(Config(), 10, [ONE, TWO])[1] is is_busy


def test_what_was_measured_on_a_busy_machine_is_not_remembered(
    measured: list[Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cores, "measure", lambda *_: (ONE, True))
    assert cores.choose(Config(), 10).workers == 1
    monkeypatch.setattr(cores, "measure", lambda *_: (TWO, False))
    assert cores.choose(Config(), 10).workers == 2
    monkeypatch.setattr(cores, "measure", None)  # now it is
    assert cores.choose(Config(), 10).workers == 2


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"workers": 3}, "workers: 3 would wait for one another on this machine's 2 cores"),
        ({"threads": 3}, "threads: 3 would wait for one another on this machine's 2 cores"),
        ({"workers": 2, "dropout": 0.2, "layers": 2}, "workers: 2 cannot share a network with dropout"),
    ],
)
def test_what_cannot_be_done_is_refused(values: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "usable_cores", lambda: 2)
    with pytest.raises(ConfigError, match=said):
        cores.choose(Config(**values), 10)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Config]:
    """What was measured, one after the other; the last of the possible ways wins."""
    asked: list[Config] = []

    def measure(config: Config, _: int, possible: list[Way]) -> tuple[Way, bool]:
        asked.append(config)
        return possible[-1], False

    monkeypatch.setattr(cores, "measure", measure)
    monkeypatch.setattr(cores, "usable_cores", lambda: 4)
    monkeypatch.setattr(cores, "default_directory", lambda: tmp_path / "cache")
    return asked


def test_each_network_is_measured_once(measured: list[Config]) -> None:
    networks = [
        Config(),
        Config(layers=2),
        Config(layers=2, dropout=0.5),
        Config(embedding=512),
        Config(input="onehot"),
    ]
    expected = [(1, 4), (1, 4), (4, 1), (1, 4), (1, 4)]
    for _ in range(2):
        chosen = [cores.choose(network, 10) for network in networks]
        assert [(config.threads, config.workers) for config in chosen] == expected
        assert len(measured) == len(networks)


@pytest.mark.parametrize("kind", ["pipe", "device", "link", "directory", "5 GB", "no JSON", "a list", "nested"])
def test_what_cannot_be_remembered_is_measured_again(measured: list[Config], tmp_path: Path, kind: str) -> None:
    """It neither holds up the program nor fills its memory."""
    path, canary = tmp_path / "cache" / cores.FILE, tmp_path / "canary"
    path.parent.mkdir(mode=0o700)
    canary.write_text("a canary")
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "link":
            path.symlink_to(canary)
        case "directory":
            path.mkdir()
        case "5 GB":
            with path.open("wb") as file:
                file.truncate(5 << 30)
        case _:
            path.write_text({"no JSON": "x", "a list": "[]", "nested": "[" * 100_000}[kind])
    for _ in range(2):
        assert cores.choose(Config(), 10).workers == 4
    assert len(measured) == (2 if kind == "directory" else 1)
    assert canary.read_text() == "a canary"


def test_processes_that_have_no_room_are_not_started(measured: list[Config], monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config(hidden=1000)
    one, two = (memory.needed(config.replace(workers=workers), 10) for workers in (1, 2))
    assert two > one + 3 * 4 * 3 * 1000**2
    monkeypatch.setattr(memory, "_there", lambda: 2 * (one + two))
    assert cores.choose(config, 10).workers == 2


def test_a_long_step_is_measured_on_a_short_window(measured: list[Config]) -> None:
    for config in (Config(batch=100_000), Config(seq=100_000), Config(hidden=4096, batch=512)):
        chosen = cores.choose(config, 10)
        assert (chosen.batch, chosen.seq) == (config.batch, config.seq)
        size = Parameters.size(config.architecture(10))
        shortest = (measured[-1].seq, measured[-1].batch) == (cores.SHORTEST, cores.FEWEST)
        assert shortest or size * measured[-1].batch * measured[-1].seq <= cores.MULTIPLICATIONS
    cores.choose(Config(), 10)
    assert (measured[-1].batch, measured[-1].seq) == (Config().batch, Config().seq)


@pytest.mark.parametrize("setting", ["embedding", "hidden", "batch", "seq"])
def test_what_takes_too_much_memory_is_named(setting: str) -> None:
    config = Config(**{setting: 10**9})  # type: ignore[arg-type]  # of four settings that are whole numbers
    with pytest.raises(ConfigError) as caught:
        memory.require(config, 65)
    assert list(caught.value.problems) == [setting]
    assert "of memory" in caught.value.problems[setting]
