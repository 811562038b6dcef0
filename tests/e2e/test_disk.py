"""The disk full, or the run's directory gone: training goes on, a warning stays, nothing is lost once there is room."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from engine.remote.client import RemoteLink
from engine.remote.connection import SOCKET
from engine.runs import checkpoint
from engine.runs.logs import read_rows
from engine.runs.reader import RunReader
from engine.runs.writer import CHECKPOINT, LOG
from tests.e2e.conftest import Open, Start
from tests.e2e.program import PHYSICS, run, steps
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
    terminal.until(lambda: terminal.step > at + 500, "training")  # some lines still fit into the log's last block
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
    assert started.process.wait(120) == 0
    assert len(started.errors.read_text().splitlines()) == 2
    assert_no_gap(small_disk / "it")


def test_a_disk_that_stays_full_is_no_success(start: Start, small_disk: Path) -> None:
    started = start(*PHYSICS, "--run", small_disk / "it", "--headless")
    wait_for(lambda: steps(small_disk / "it"))
    fill(small_disk)
    wait_for(lambda: "No space left on device" in started.errors.read_text())
    started.process.send_signal(signal.SIGTERM)
    assert started.process.wait(120) == 1
    assert "the end of the run could not be saved" in started.errors.read_text()


def test_a_detached_run_says_how_it_ended_on_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    """The list and the log do, though its last save found no room."""
    directory = small_disk / "it"
    run(*PHYSICS, "--run", directory, "--detach", cwd=tmp_path)
    wait_for(lambda: len(steps(directory)) > 20)
    fill(small_disk)
    reached = max(steps(directory))
    pid = RunReader(directory).pid
    assert pid
    wait_for(lambda: "No space left on device" in (directory / LOG).read_text())
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: RunReader(directory).pid is None)
    ended = RunReader(directory)
    assert ended.state == "stopped"
    assert ended.status.step >= reached
    assert "its end could not be saved: No space left on device" in ended.status.reason
    assert checkpoint.read(directory / CHECKPOINT)[1]["steps"] <= reached


def test_a_run_under_the_dashboard_follows_its_directory(open_terminal: Open, tmp_path: Path) -> None:
    """The screen says so, others find the run by its new name, and so does the farewell."""
    terminal = open_terminal(*PHYSICS, "--run", tmp_path / "it")
    terminal.until(lambda: terminal.step > 50, "some steps")
    renamed = (tmp_path / "it").rename(tmp_path / "renamed")
    terminal.until(lambda: "was renamed; the run goes on in" in terminal.words, "a notice")
    with contextlib.closing(RemoteLink(renamed)) as link:
        assert link.info.name == "renamed"
    at = terminal.step
    terminal.until(lambda: max(steps(renamed)) > at + 100, "lines in the log")
    assert "was renamed; the run goes on in" in (renamed / LOG).read_text()
    terminal.type("qs")
    assert terminal.wait() == 0
    assert f"train --resume {renamed}" in terminal.text.replace("\n", "")
    assert_no_gap(renamed)
    assert not (tmp_path / "it").exists()
    assert not (renamed / SOCKET).exists()


def test_a_run_without_a_screen_makes_its_directory_again(start: Start, tmp_path: Path) -> None:
    """It says so on standard error; what comes from then on is there, and the run can be resumed."""
    directory = tmp_path / "it"
    started = start(*PHYSICS, "--run", directory, "--headless")
    wait_for(lambda: len(steps(directory)) > 5)

    def is_deleted() -> bool:
        shutil.rmtree(directory, ignore_errors=True)  # a file that is made meanwhile may keep it
        return not directory.exists()

    wait_for(is_deleted)
    wait_for(lambda: f"{directory}: was deleted" in started.errors.read_text() and steps(directory))
    started.process.send_signal(signal.SIGTERM)
    assert started.process.wait(120) == 0
    rows = read_rows(directory / "metrics.jsonl")
    _, meta = checkpoint.read(directory / CHECKPOINT)
    assert meta["steps"] >= rows[-1]["step"]
    assert RunReader(directory).state == "stopped"
    resumed = run("train", "--resume", directory, "--headless", "--steps", str(meta["steps"] + 20), cwd=tmp_path)
    assert resumed.returncode == 0
