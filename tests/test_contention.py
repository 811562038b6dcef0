"""A run that waits for another program notices: with made up times, and in a group whose other process is late."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.training.contention import SPAN, Contention
from engine.training.process_group import ProcessGroup


class Machine:
    """Passes time, works and waits as told."""

    def __init__(self, size: int = 2) -> None:
        self.group = SimpleNamespace(size=size, waiting=0.0)
        self.now = self.used = 0.0
        self.contention = Contention(cast(ProcessGroup, self.group), lambda: self.now, lambda: self.used)

    def train(self, seconds: float, *, lost: float, looking: float = 0.0) -> None:
        """Make steps for so long, a share of which is lost, and another one goes into looking for late processes."""
        for _ in range(100):
            with self.contention.step():
                self.now += seconds / 100
                self.used += seconds / 100 * (1 - lost)
                self.group.waiting += seconds / 100 * looking


def test_the_lost_share_is_what_is_not_worked() -> None:
    machine = Machine()
    machine.train(SPAN / 2, lost=0.2, looking=0.15)
    assert machine.contention.lost == pytest.approx(0.35)
    machine.contention.restart()
    assert machine.contention.lost == 0


def test_a_busy_core_is_said_after_a_span_and_until_it_is_free() -> None:
    machine = Machine()
    machine.train(SPAN * 0.9, lost=0.5)
    assert machine.contention.warning == ""
    machine.train(SPAN * 0.2, lost=0.5)
    assert "another program uses a core of this run: its 2 processes wait" in machine.contention.warning
    assert "50% of the time" in machine.contention.warning
    machine.train(SPAN * 1.2, lost=0.06)
    assert machine.contention.warning == ""


def test_the_time_between_steps_does_not_count() -> None:
    machine = Machine()
    for _ in range(5):
        machine.train(SPAN / 2, lost=0.1)
        machine.now += SPAN
    assert machine.contention.warning == ""


def test_a_process_alone_waits_for_nobody() -> None:
    machine = Machine(size=1)
    machine.train(SPAN * 3, lost=0.6)
    assert machine.contention.warning == ""


def test_waiting_for_a_late_process_is_no_work(tmp_path: Any) -> None:
    with (tmp_path / "shared").open("w+b") as file:
        one, other = (ProcessGroup(rank, 2, file.fileno()) for rank in (0, 1))
        is_late = threading.Event()

        def come_late() -> None:  # the processor's time of one thread is that of no other
            assert is_late.wait(120)
            time.sleep(0.2)
            other.barrier()

        late = threading.Thread(target=come_late)
        one.check = is_late.set  # is called where the other has not come for some milliseconds
        contention = Contention(one)
        late.start()
        with contention.step():
            one.barrier()
        late.join()
    assert one.waiting > 0
    assert contention.lost > 0.5
