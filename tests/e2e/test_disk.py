"""The disk full, or the run's directory gone: training goes on, a warning stays, nothing is lost once there is room."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from engine.runs import checkpoint
from engine.runs.logs import read_rows
from engine.runs.writer import CHECKPOINT
from tests.e2e.conftest import Open, Start
from tests.e2e.program import PHYSICS, steps
from tests.waiting import wait_for

SIZE = 16 << 20  # bytes; a run of the small network needs a few of them


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "charrnn-test", place], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(place: Path) -> Path:
    """A file that takes all the room there is."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filler


def assert_no_gap(run_directory: Path) -> None:
    """Every report is there, and the checkpoint is one to go on from."""
    reported = steps(run_directory)
    assert reported == sorted(set(reported))
    assert set(range(10, reported[-1] + 1, 10)) <= set(reported)
    _, meta = checkpoint.read(run_directory / CHECKPOINT)
    assert meta["steps"] >= reported[-1]


def test_a_full_disk_under_the_dashboard(open_terminal: Open, small_disk: Path) -> None:
    terminal = open_terminal(*PHYSICS, "--run", small_disk / "it")
    terminal.until(lambda: terminal.step > 50, "some steps")
    filler = fill(small_disk)
    terminal.until_shown("cannot save to")
    assert "No space left on device" in terminal.words
    at = terminal.step
    terminal.until(lambda: terminal.step > at + 200, "training")
    assert "cannot save to" in terminal.text
    assert max(steps(small_disk / "it")) < terminal.step - 100
    filler.unlink()
    terminal.type("s")
    terminal.until(lambda: "cannot save to" not in terminal.text, "no warning")
    terminal.type("qs")
    assert terminal.wait() == 0
    terminal.assert_left_clean()
    assert_no_gap(small_disk / "it")


def test_a_full_disk_without_a_screen(start: Start, small_disk: Path) -> None:
    started = start(*PHYSICS, "--run", small_disk / "it", "--headless")
    wait_for(lambda: steps(small_disk / "it"))
    filler = fill(small_disk)
    wait_for(lambda: "No space left on device" in started.errors.read_text())
    filler.unlink()
    wait_for(lambda: "saving works again" in started.errors.read_text())
    started.process.send_signal(signal.SIGTERM)
    assert started.process.wait(20) == 0
    assert len(started.errors.read_text().splitlines()) == 2
    assert_no_gap(small_disk / "it")


def test_a_disk_that_stays_full_is_no_success(start: Start, small_disk: Path) -> None:
    started = start(*PHYSICS, "--run", small_disk / "it", "--headless")
    wait_for(lambda: steps(small_disk / "it"))
    fill(small_disk)
    wait_for(lambda: "No space left on device" in started.errors.read_text())
    started.process.send_signal(signal.SIGTERM)
    assert started.process.wait(20) == 1
    assert "the end of the run could not be saved" in started.errors.read_text()


def test_the_directory_goes_away_and_comes_back(open_terminal: Open, tmp_path: Path) -> None:
    run_directory = tmp_path / "it"
    terminal = open_terminal(*PHYSICS, "--run", run_directory)
    terminal.until(lambda: terminal.step > 50, "some steps")
    run_directory.rename(tmp_path / "moved")
    terminal.until_shown("cannot save to")
    assert "No such file or directory" in terminal.words
    at = terminal.step
    terminal.until(lambda: terminal.step > at + 200, "training")
    (tmp_path / "moved").rename(run_directory)
    terminal.type("s")
    terminal.until(lambda: "cannot save to" not in terminal.text, "no warning")
    terminal.type("qs")
    assert terminal.wait() == 0
    assert_no_gap(run_directory)


def test_the_directory_is_removed_and_made_anew(open_terminal: Open, tmp_path: Path) -> None:
    run_directory = tmp_path / "it"
    terminal = open_terminal(*PHYSICS, "--run", run_directory)
    terminal.until(lambda: terminal.step > 50, "some steps")
    run_directory.rename(tmp_path / "moved")  # at once: a file that is written meanwhile would keep it
    shutil.rmtree(tmp_path / "moved")
    terminal.until_shown("cannot save to")
    run_directory.mkdir()
    terminal.type("s")
    terminal.until(lambda: "cannot save to" not in terminal.text, "no warning")
    terminal.type("qs")
    assert terminal.wait() == 0
    _, meta = checkpoint.read(run_directory / CHECKPOINT)
    rows = read_rows(run_directory / "metrics.jsonl")
    assert rows
    assert meta["steps"] >= rows[-1]["step"]
    terminal = open_terminal("train", "--resume", run_directory)
    terminal.until(lambda: terminal.step > meta["steps"], "training")
