"""A sweep on a Dask cluster: a scheduler and workers that are processes of their own, and share no directory."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import UserError
from engine.sweep.cluster import connect
from engine.sweep.study import read_study
from tests.small_sweep import SMALL, finish, losses, results, start_sweep, write_text
from tests.waiting import wait_for
from tui.cli import main

pytest.importorskip("distributed")


# A worker whose runs of a cell go slowly from step 500 on, as long as there is a file HELD-CELL: so a test that does
# something to a run is never too late. The numbers are the same.
WORKER = """
import os, sys, time
from dask.__main__ import main
from engine.training.trainer import Trainer

held, step = os.environ["HELD"], Trainer.step

def held_up(trainer):
    if trainer.steps >= 500 and os.path.exists(f"{held}-{trainer.config.cell}"):
        time.sleep(0.1)
    return step(trainer)

Trainer.step = held_up
main()
"""


class Cluster:
    """A scheduler and its workers, each in a directory of its own, with nothing of the sweep's in sight."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        self.scheduler = self._start(
            "scheduler", "scheduler", "--host", "127.0.0.1", "--port", port, "--scheduler-file", "it.json"
        )
        self.file = directory / "scheduler" / "it.json"
        self.workers = [self.add_worker("first"), self.add_worker("last")]
        self.last = directory / "last"

    def hold(self, cell: str) -> None:
        """Hold up the runs of a cell."""
        (self._directory / f"held-{cell}").touch()

    def release(self, cell: str) -> None:
        """Let them go on."""
        (self._directory / f"held-{cell}").unlink()

    def add_worker(self, name: str) -> subprocess.Popen[bytes]:
        return self._start(name, "worker", self.address, "--nthreads", 1, "--no-nanny")

    def _start(self, name: str, *arguments: object) -> subprocess.Popen[bytes]:
        place = self._directory / name
        place.mkdir()
        command = [sys.executable, "-c", WORKER, *map(str, arguments), "--no-dashboard"]
        variables = {**os.environ, "TMPDIR": str(place), "HELD": str(self._directory / "held")}
        return subprocess.Popen(command, cwd=place, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


STEPS = 2000
OPTIONS = (*SMALL, "--cell", "rnn,gru", "--steps", STEPS)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module")
def straight(text: Path) -> dict[str, Any]:
    """The results of a sweep on this machine that nobody disturbs."""
    finish(start_sweep(text, *OPTIONS, "--run", "straight", cwd=text.parent))
    return results(text.parent / "straight")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    wait_for(cluster.file.exists)
    yield cluster
    cluster.close()


def cell_in(worker: Path) -> str | None:
    """The cell of the run that a worker trains in its directory; None if there is none yet."""
    for log in worker.rglob("metrics.jsonl"):
        return log.parent.name.partition("-")[2]
    return None


def begin(cluster: Cluster, text: Path, directory: Path) -> subprocess.Popen[str]:
    """A sweep in `directory`, of whose first run some rows have come, and not yet all: its runs are held up."""
    for cell in ("rnn", "gru"):
        cluster.hold(cell)
    process = start_sweep(text, *OPTIONS, "--run", directory, "--scheduler", cluster.file, cwd=directory.parent)
    rows = directory / "1-rnn" / "metrics.jsonl"
    wait_for(lambda: rows.exists() and losses(directory / "1-rnn"))
    assert not (directory / "1-rnn" / "checkpoint.safetensors").exists()
    return process


def test_a_signal_brings_the_runs_back_to_go_on_with(
    cluster: Cluster, text: Path, straight: dict[str, Any], tmp_path: Path
) -> None:
    here = tmp_path / "here"
    process = begin(cluster, text, here)
    process.send_signal(signal.SIGTERM)
    assert "to go on" in finish(process)
    assert 10 < read_study(here).runs[0].steps < STEPS
    for cell in ("rnn", "gru"):
        cluster.release(cell)
    finish(start_sweep("--resume", "here", "--scheduler", cluster.address, cwd=tmp_path))
    assert results(here) == straight


def test_another_version_on_a_worker_is_said(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(cluster.address).close()
    monkeypatch.setattr("engine.sweep.cluster.program_version", lambda: "9.9")
    with pytest.raises(UserError, match=r"and here it is 9\.9; install the same version there"):
        connect(cluster.address)


def test_a_worker_and_then_the_scheduler_are_killed_and_the_sweep_ends_as_one_that_was_not(
    cluster: Cluster, text: Path, straight: dict[str, Any], tmp_path: Path
) -> None:
    here = tmp_path / "here"
    process = begin(cluster, text, here)
    for worker in cluster.workers[:-1]:
        worker.kill()
    cluster.release(wait_for(lambda: cell_in(cluster.last)))
    wait_for(lambda: any(run.state == "finished" for run in read_study(here).runs))
    cluster.scheduler.kill()
    said = finish(process, code=2)
    assert "the connection to the Dask scheduler is lost; what has come is kept there: resume the sweep" in said
    assert said.count("charrnn-tui: ") == 1
    assert "Traceback" not in said
    finish(start_sweep("--resume", "here", cwd=tmp_path))
    assert results(here) == straight


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--resume", "nothing"], 2), (["fox.txt", *SMALL, "--cell", "rnn,gru", "--detach"], 0)]
)
def test_a_scheduler_is_left_by_what_does_not_conduct_the_sweep(
    arguments: list[str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = list[float]()
    monkeypatch.setattr("engine.sweep.cluster.connect", lambda scheduler: SimpleNamespace(close=closed.append))
    monkeypatch.setattr("tui.cli.sweep.spawn_detached", lambda *_, **__: None)
    monkeypatch.chdir(write_text(tmp_path).parent)
    assert main(["sweep", *map(str, arguments), "--scheduler", "tcp://somewhere:1"]) == code
    assert len(closed) == 1


def test_a_scheduler_that_does_not_answer_is_said_and_nothing_is_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("engine.sweep.cluster.ANSWER_SECONDS", 0.5)
    (tmp_path / "bad.json").write_text('{"id": 3}')
    for scheduler, said in (
        ("tcp://127.0.0.1:1", "no Dask scheduler answers there"),
        ("none.json", "none.json: cannot be read"),
        ("bad.json", "bad.json: is no file of a Dask scheduler (address: is missing)"),
        ("nonsense://x", "no Dask scheduler answers there"),
    ):
        assert main(["sweep", "--cell", "rnn,gru", "--headless", "--scheduler", scheduler]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bad.json"]
