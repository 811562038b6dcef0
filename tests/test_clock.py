"""Time in which the process is suspended is no time of training."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from engine.runs.logs import read_rows
from engine.session import clock
from engine.session.clock import RunningClock
from tests.e2e.program import PHYSICS, PROGRAM, environment
from tests.waiting import wait_for


class Machine:
    """The time, and the processor time that the process has used."""

    def __init__(self) -> None:
        self.now, self.used = 100.0, 5.0

    def pass_(self, seconds: float, share: float = 1.0) -> None:
        self.now += seconds
        self.used += seconds * share


@pytest.fixture(autouse=True)
def _the_test_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "TICK", 1000.0)  # so that the thread does not


@pytest.mark.parametrize("thread_is_first", [False, True])
def test_a_suspended_process_has_no_time(thread_is_first: bool) -> None:
    machine = Machine()
    running = RunningClock(lambda: machine.now, lambda: machine.used)
    with running.ticking():
        began = running()
        for times in (1, 2, 3):
            machine.pass_(1.0)
            running._look()
            machine.pass_(3600.0, share=0.0)
            if thread_is_first:
                running._look()
            assert running() - began == times


def test_a_long_computation_counts() -> None:
    machine = Machine()
    running = RunningClock(lambda: machine.now, lambda: machine.used)
    with running.ticking():
        began = running()
        machine.pass_(30.0, share=0.9)
        assert running() - began == pytest.approx(30.0)


def test_without_a_thread_that_looks_all_time_counts() -> None:
    machine = Machine()
    running = RunningClock(lambda: machine.now, lambda: machine.used)
    began = running()
    machine.pass_(30.0, share=0.0)
    assert running() - began == 30.0


def test_a_run_that_is_stopped_and_continued_has_not_trained_meanwhile(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*PROGRAM, *PHYSICS, "--run", "it", "--headless"], cwd=tmp_path, stdout=subprocess.DEVNULL, env=environment()
    ) as process:
        log = tmp_path / "it" / "metrics.jsonl"
        wait_for(lambda: len(read_rows(log)) > 5)
        os.kill(process.pid, signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        before, written = read_rows(log)[-1], log.stat().st_mtime
        time.sleep(3.0)
        os.kill(process.pid, signal.SIGCONT)
        wait_for(lambda: read_rows(log)[-1]["step"] > before["step"] + 100)
        after, passed = read_rows(log)[-1], time.time() - written
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(120) == 0
    assert after["time"] - before["time"] < passed - 1.5  # a line may be written a moment after its time was taken
