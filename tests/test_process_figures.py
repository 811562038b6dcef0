"""What a run takes: processor time and memory of all its processes, and how long it will take."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.config import Config
from engine.session import process_figures
from engine.session.messages import View
from engine.session.pace import Speed
from engine.session.process_figures import MEMORY_SHARE, SECONDS, ProcessFigures, memory_of, seconds_used
from engine.session.snapshots import take_snapshot
from engine.session.start import new_session
from tui.rendering.numbers import megabytes, time_left

LINUX = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="there is no /proc here")
BUSY = "import time\nwhile time.process_time() < {}: pass\nkept = bytearray({}) or 1\nprint(1, flush=True)\ninput()"


def test_the_cores_are_those_between_two_looks() -> None:
    now, used = [100.0], [7.0]
    figures = ProcessFigures(lambda: (), lambda: now[0], lambda: used[0])
    figures.look()
    assert figures.cores is None
    now[0], used[0] = 100 + 2 * SECONDS, 7 + 3 * SECONDS
    figures.look()
    assert figures.cores == 1.5
    now[0] += SECONDS / 2
    figures.look()  # too early
    assert figures.cores == 1.5
    now[0] += SECONDS / 2
    figures.look()
    assert figures.cores == 0


def test_the_memory_is_added_up_as_rarely_as_that_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    now, measured = [0.0], []

    def slowly(process: int) -> int:
        measured.append(now[0])
        now[0] += 10 * SECONDS * MEMORY_SHARE
        return len(measured)

    figures = ProcessFigures(lambda: (), lambda: now[0], lambda: 0.0)
    monkeypatch.setattr(process_figures, "memory_of", slowly)
    for _ in range(30):
        now[0] += 1.1 * SECONDS
        figures.look()
    assert len(measured) == figures.memory == 3
    assert np.diff(measured).min() > 10 * SECONDS


@LINUX
def test_another_process_is_measured(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BUSY.format(0.2, 50_000_000).replace("bytearray(", "bytearray(b'x') * (")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert seconds_used(process.pid) >= 0.2
        assert 50e6 < memory_of(process.pid) < 100e6
        now = [0.0]
        figures = ProcessFigures(lambda: (process.pid,), lambda: now[0])
        now[0] = SECONDS
        figures.look()
        assert figures.memory > memory_of(process.pid) + 5e6  # this process has NumPy loaded
        process.communicate(b"\n")
    assert (seconds_used(process.pid), memory_of(process.pid)) == (0, 0)


def test_without_proc_this_process_alone_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(process_figures, "PROC", tmp_path)
    assert 5e6 < memory_of(os.getpid()) < 1e11
    assert (memory_of(1), seconds_used(os.getpid())) == (0, 0)


def test_a_snapshot_has_them_and_the_time_that_is_left(tmp_path: Path) -> None:
    config = Config(text=("physics",), hidden=6, embedding=4, batch=2, seq=5, threads=1, workers=1, steps=1000)
    session = new_session(config, tmp_path / "run")
    loop = session.loop
    loop.change("training")
    assert take_snapshot(loop, View(visible=()), urgent=False, obeyed=0).seconds_left is None  # there is no speed yet
    for _ in range(10):
        loop.advance()
    loop.progress.steady_speed = Speed()
    loop.progress.steady_speed.add(50, 2.0)  # 2 · 5 characters in 0.4 s a step
    snapshot = take_snapshot(loop, View(visible=()), urgent=False, obeyed=0)
    assert snapshot.seconds_left == pytest.approx(990 * 0.4)
    assert snapshot.memory is not None
    assert snapshot.memory > 5e6
    loop.change("stopped")
    assert take_snapshot(loop, View(visible=()), urgent=False, obeyed=0).seconds_left is None
    loop.close()


def test_time_and_memory_in_words() -> None:
    assert [time_left(seconds) for seconds in (0.4, 59, 61, 3599, 3600, 7500, 86399, 90000, 1e6)] == [
        "0s", "59s", "1m", "59m", "1h 00m", "2h 05m", "23h 59m", "1d 1h", "11d 13h",
    ]  # fmt: skip
    assert [megabytes(count) for count in (0, 312_400_000, 9_999_000_000, 12_300_000_000)] == [
        "0 MB", "312 MB", "9999 MB", "12 GB",
    ]  # fmt: skip
