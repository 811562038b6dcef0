"""A sweep in real processes: the same numbers as its runs alone, whatever is killed on the way."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from engine.config import Config
from engine.runs.lock import holder
from engine.runs.reader import RunReader
from engine.session.start import new_session
from engine.sweep.study import SWEEP, read_study
from engine.text.own_output import is_own
from tests.small_sweep import PROGRAM, SMALL, finish, losses, results, start_sweep, write_text
from tests.waiting import wait_for
from tui.cli import main

LONG = (*SMALL, "--cell", "rnn,gru", "--steps", 6000)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of a sweep with the options `LONG` that nobody disturbs."""
    place = tmp_path_factory.mktemp("straight")
    finish(start_sweep(write_text(place), *LONG, "--run", "straight", cwd=place))
    return results(place / "straight")


def steps_of(run: Path) -> int:
    return int(RunReader(run).status.step) if (run / "state.json").exists() else 0


def test_each_run_has_the_bits_of_the_run_alone(tmp_path: Path) -> None:
    text = write_text(tmp_path)
    table = finish(
        start_sweep(text, *SMALL, "--cell", "rnn,gru", "--seeds", 2, "--steps", 60, "--run", "four", cwd=tmp_path)
    )
    study = read_study(tmp_path / "four")
    assert [run.state for run in study.runs] == ["finished"] * 4
    for run in study.runs:
        alone = tmp_path / f"alone-{run.name}"
        config = Config(text=(str(text),), hidden=8, embedding=4, batch=2, seq=10, steps=60, threads=1, workers=1)
        new_session(config.replace(**run.settings), alone).run()
        assert losses(alone) == losses(study.directory(run))
        for which in ("latest", "best"):
            ours, theirs = (RunReader(place).weights(which) for place in (study.directory(run), alone))
            assert ours.flat.tobytes() == theirs.flat.tobytes()
        assert run.val_loss == losses(alone)[-1]["val_loss"]
        assert f"{run.name}: finished at step 60" in table
        assert RunReader(alone).record.ladder == RunReader(study.directory(run)).record.ladder is not None
    assert len({losses(study.directory(run))[-1]["loss"] for run in study.runs}) == 4
    assert is_own(tmp_path / "four")  # never read as a text


def test_a_sweep_that_is_killed_again_and_again_ends_as_one_that_was_not(
    tmp_path: Path, straight: dict[str, Any]
) -> None:
    process = start_sweep(write_text(tmp_path), *LONG, "--run", "killed", cwd=tmp_path)
    killed = tmp_path / "killed"
    wait_for(lambda: steps_of(killed / "1-rnn") > 20)
    for _ in range(3):
        time.sleep(random.uniform(0, 0.7))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        process = start_sweep("--resume", "killed", cwd=tmp_path)
    finish(process)
    assert results(killed) == straight


def test_a_signal_saves_and_the_sweep_goes_on_from_there(tmp_path: Path) -> None:
    options = (write_text(tmp_path), *SMALL, "--cell", "rnn,gru,lstm", "--steps", 10**6, "--jobs", 1, "--run", "it")
    process = start_sweep(*options, cwd=tmp_path)
    wait_for(lambda: steps_of(tmp_path / "it" / "1-rnn") > 20)
    process.send_signal(signal.SIGINT)
    assert "to go on: charrnn-tui sweep --resume" in finish(process)
    study = read_study(tmp_path / "it")
    assert [run.state for run in study.runs] == ["waiting"] * 3
    assert study.runs[0].steps == RunReader(study.directory(study.runs[0])).checkpoint().steps > 20
    assert not study.directory(study.runs[1]).exists()
    assert RunReader(study.directory(study.runs[0])).state == "stopped"


def test_a_sweep_is_stopped_by_its_name_and_is_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    endless = (*SMALL, "--cell", "rnn,gru", "--steps", 10**9)
    process = start_sweep(write_text(tmp_path), *endless, "--run", "runs/here", cwd=tmp_path)
    first = tmp_path / "runs" / "here" / "1-rnn"
    wait_for(lambda: steps_of(first) > 10)
    assert main(["sample", "here"]) == 2
    assert "here: holds runs, and is none itself; name one of them, as runs/here/1-rnn" in capsys.readouterr().err
    assert main(["stop", "here"]) == 0
    assert capsys.readouterr().out == "here: was saved and has ended\n"
    assert "to go on" in finish(process)
    assert steps_of(first) > 10
    assert main(["stop", "here"]) == 0
    assert main(["rm", "here"]) == 2
    said = capsys.readouterr()
    assert said.out == "here: had ended already\n"
    assert "here: is a sweep, and its directory holds all its runs; remove that: rm -r runs/here" in said.err


def test_no_process_outlives_a_sweep_that_was_killed(tmp_path: Path) -> None:
    process = start_sweep(write_text(tmp_path), *SMALL, "--steps", 10**6, "--run", "it", cwd=tmp_path)
    run = tmp_path / "it" / "1"
    wait_for(lambda: steps_of(run) > 20)
    process.kill()
    process.communicate()
    wait_for(lambda: holder(run) is None)
    assert RunReader(run).state == "stopped"
    assert RunReader(run).checkpoint().steps > 20


def test_a_killed_worker_costs_no_run(tmp_path: Path, straight: dict[str, Any]) -> None:
    process = start_sweep(write_text(tmp_path), *LONG, "--run", "it", cwd=tmp_path)
    pid = wait_for(lambda: holder(tmp_path / "it" / "1-rnn"))
    rows = tmp_path / "it" / "1-rnn" / "metrics.jsonl"
    wait_for(lambda: rows.exists() and rows.stat().st_size)  # long before its end
    with contextlib.suppress(ProcessLookupError):  # unless this process was stopped for seconds just here
        os.kill(pid, signal.SIGKILL)
    finish(process)
    assert results(tmp_path / "it") == straight


def test_processes_can_start_while_a_screen_stands_in_for_standard_error() -> None:
    code = """
import sys
from engine.sweep.executor import LocalExecutor

class Screen:
    def fileno(self):
        return -1  # as Textual's does

executor = LocalExecutor(None, 1)
real, sys.stderr = sys.stderr, Screen()
try:
    executor._new_pool().shutdown()
finally:
    sys.stderr = real
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_detached_sweep_goes_on_alone(tmp_path: Path) -> None:
    options = (write_text(tmp_path), *SMALL, "--seeds", 2, "--steps", 60, "--run", "it", "--detach")
    assert finish(start_sweep(*options, cwd=tmp_path)) == "it\n"
    wait_for(lambda: [run.state for run in read_study(tmp_path / "it").runs] == ["finished"] * 2)
    wait_for(lambda: holder(tmp_path / "it") is None)


def test_the_worse_half_is_stopped_and_the_best_run_is_as_it_would_be_alone(tmp_path: Path) -> None:
    options = (write_text(tmp_path), *SMALL, "--lr", "1e-5,1e-4,1e-3,1e-2", "--steps", 80)
    finish(start_sweep(*options, "--run", "halved", "--stop-worst", 2, "--csv", "it.csv", cwd=tmp_path))
    study = read_study(tmp_path / "halved")
    assert [(run.state, run.steps) for run in study.runs] == [
        ("stopped", 20), ("stopped", 20), ("stopped", 40), ("finished", 80)
    ]  # fmt: skip
    with (tmp_path / "it.csv").open(newline="") as file:
        assert [(row["lr"], row["state"]) for row in csv.DictReader(file)][-1] == ("0.01", "finished")
    config = study.config_of(study.runs[-1])
    new_session(config, tmp_path / "alone").run()
    ours = RunReader(study.directory(study.runs[-1])).weights()
    assert ours.flat.tobytes() == RunReader(tmp_path / "alone").weights().flat.tobytes()


def test_a_run_that_diverges_costs_no_other_and_is_said_again_as_it_was(tmp_path: Path) -> None:
    options = (write_text(tmp_path), *SMALL, "--lr", "1e9,1e-3", "--steps", 60)
    said = finish(start_sweep(*options, "--run", "it", cwd=tmp_path), code=1)
    before = results(tmp_path / "it")
    assert [state for state, *_ in before.values()] == ["failed", "finished"]
    assert "far above guessing" in said
    state = tmp_path / "it" / next(iter(before)) / "state.json"
    written = state.read_bytes()
    finish(start_sweep("--resume", "it", cwd=tmp_path), code=1)
    assert results(tmp_path / "it") == before
    assert state.read_bytes() == written  # it was not trained again


def test_one_run_is_a_sweep_too(tmp_path: Path) -> None:
    finish(start_sweep(write_text(tmp_path), *SMALL, "--steps", 20, "--run", "it", cwd=tmp_path))
    assert [(run.name, run.state) for run in read_study(tmp_path / "it").runs] == [("1", "finished")]


def test_a_search_is_the_same_again_and_finds_a_rate_that_learns(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    options = (write_text(tmp_path), *SMALL, "--lr", "1e-6..1e-1", "--trials", 7, "--steps", 60, "--jobs", 1)
    finish(start_sweep(*options, "--run", "one", cwd=tmp_path))
    process = start_sweep(*options, "--run", "two", cwd=tmp_path)
    wait_for(lambda: (tmp_path / "two" / SWEEP).exists() and len(read_study(tmp_path / "two").runs) > 3)
    process.kill()
    process.communicate()
    finish(start_sweep("--resume", "two", "--jobs", 1, cwd=tmp_path))
    assert results(tmp_path / "one") == results(tmp_path / "two")
    runs = read_study(tmp_path / "one").runs
    assert len({run.settings["lr"] for run in runs}) == 7
    best = min(runs, key=lambda run: run.val_loss or 9)
    assert best.settings["lr"] > 1e-3  # lower rates learn nothing in 60 steps


def test_a_text_that_is_read_once_is_kept_for_all_runs(tmp_path: Path) -> None:
    text = write_text(tmp_path)
    options = ("/dev/stdin", *SMALL, "--cell", "rnn,gru", "--steps", 20, "--run", "it", "--json")
    done = subprocess.run(
        [*PROGRAM, "sweep", *map(str, options)], cwd=tmp_path, input=text.read_bytes(), capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert [row["state"] for row in json.loads(done.stdout)] == ["finished"] * 2
    assert (tmp_path / "it" / "text.txt").read_bytes() == text.read_bytes()
    assert not list((tmp_path / "it").glob("*/text.txt"))


def test_bad_input_is_one_sentence_and_nothing_is_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, said in (
        (["--cell", ""], "--cell: the list is empty"),
        (["--lr", "1e-4..1e-2"], "--lr: a range is searched; say with --trials N"),
        (["--lr", "1e-4", "--trials", "3"], "there is no range to search"),
        (["--seeds", "0"], "--seeds 0: is too few"),
        (["--jobs", "1000"], "--jobs 1000: is not a number of runs at a time"),
        (["--steps", ""], "--steps: a run of a sweep must have an end"),
        (["--seq", "50,900000"], "--seq: 900000"),
        (["--hidden", "9,10000000"], "--hidden: 10000000"),
        (["--layers", "2,1", "--dropout", "0.5"], "the run with layers 1: dropout: 0.5"),
        (["--cell", "rnn,gru", "--detach", "--csv", "it.csv"], "--csv, --json: are written at the end"),
        (["--resume", "nothing"], "nothing: there is no such sweep"),
        (["no-such-text", "--cell", "rnn,gru"], "there is no such file or text"),
        (["--config", "none.toml"], "none.toml: cannot be read"),
    ):
        assert main(["sweep", *arguments, "--headless"]) == 2
        captured = capsys.readouterr()
        assert said in captured.err
        assert captured.err.count("\n") == 1
        assert list(tmp_path.iterdir()) == []
