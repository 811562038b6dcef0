"""Runs that are stopped, killed or hindered go on as if nothing had been."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import UserError
from engine.network.cells import cell_names
from engine.runs import checkpoint, files
from engine.runs import logs as json_lines
from engine.runs.reader import RunReader
from engine.runs.writer import CHECKPOINT, METRICS, RunWriter
from engine.session.messages import Sample
from engine.training.optimizers import OPTIMIZERS
from tests import small_run
from tests.finished_run import finish_run
from tests.small_run import (
    FINGERPRINT,
    SMALL,
    FaultyOs,
    PowerCut,
    assert_same_state,
    record_of,
    resumed,
    train_and_report,
    trainer_of,
    validation_loss,
)
from tui.cli.options import LONG_LOG, say_if_long

ROOT = Path(__file__).parent.parent
HALF = 13  # not a whole number of epochs, and more than one


def metrics(path: Path) -> list[str]:
    return (path / METRICS).read_text().splitlines()


def sample(step: int) -> Sample:
    return Sample(step, None, 0.8, "abc", np.array([0.5, 0.25, 0.125], np.float32), complete=True)


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir() if file.is_file()}


@pytest.mark.parametrize("schedule", ["constant", "step:5:0.5", "cosine:2e", "warmup:20,constant"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("cell", cell_names())
def test_two_halves_are_the_whole_bit_for_bit(tmp_path: Path, cell: str, optimizer: str, schedule: str) -> None:
    config = SMALL.replace(cell=cell, optimizer=optimizer, schedule=schedule)
    straight, whole = trainer_of(config), RunWriter.create(record_of(config), tmp_path / "whole")
    train_and_report(straight, whole, 2 * HALF)

    trainer, run = trainer_of(config), RunWriter.create(record_of(config), tmp_path / "halves")
    train_and_report(trainer, run, HALF)
    run.save(*trainer.state())
    run.close()
    trainer, run = resumed(run.path)
    assert trainer.steps == HALF
    train_and_report(trainer, run, HALF)

    assert_same_state(trainer, straight)
    assert metrics(run.path) == metrics(whole.path)
    assert validation_loss(trainer) == validation_loss(straight)


TIMES = {"time", "chars_per_second", "created", "updated", "pid"}


def without_times(file: Path) -> object:
    """What a file holds that depends on the settings alone."""
    if file.name == CHECKPOINT:
        arrays, meta = checkpoint.read(file)
        del meta["session"]["seconds"]
        return {name: array.tobytes() for name, array in arrays.items()}, meta
    if file.suffix == ".jsonl":
        return [json.dumps(_timeless(json.loads(line))) for line in file.read_text().splitlines()]
    return json.dumps(_timeless(json.loads(file.read_text()))) if file.suffix == ".json" else file.read_bytes()


def _timeless(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in TIMES}


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    runs = [finish_run(tmp_path / name, steps=120, layers=2, dropout=0.1) for name in ("one", "other")]
    first, second = ({file.relative_to(run): file for file in run.rglob("*") if file.is_file()} for run in runs)
    assert first.keys() == second.keys()
    assert {"moments/100.safetensors", "samples.jsonl", "best.safetensors"} <= {str(name) for name in first}
    for name in first.keys() - {Path("lock")}:  # which holds the process's number
        assert without_times(first[name]) == without_times(second[name]), name


def test_a_learning_rate_changed_on_the_way_is_kept(tmp_path: Path) -> None:
    trainer, run = trainer_of(SMALL), RunWriter.create(record_of(SMALL), tmp_path / "run")
    trainer.lr = 0.125
    run.save(*trainer.state())
    run.close()
    assert resumed(run.path)[0].lr == 0.125


def test_what_the_logs_hold_after_the_checkpoint_is_cut_off(tmp_path: Path) -> None:
    trainer, run = trainer_of(SMALL), RunWriter.create(record_of(SMALL), tmp_path / "run")
    train_and_report(trainer, run, 4)
    run.add_sample(sample(4))
    run.keep_weights(4, trainer.parameters.views)
    run.save(*trainer.state())
    before = metrics(run.path)
    train_and_report(trainer, run, 2)
    run.add_sample(sample(6))
    run.keep_weights(6, trainer.parameters.views)
    run.set_state("training", 6)
    run.close()
    with (run.path / METRICS).open("a") as file:
        file.write('{"step": 7, "lo')

    _, run = resumed(run.path)
    assert run.crashed
    assert metrics(run.path) == before
    assert [found.step for found in RunReader(run.path).samples()] == [4]
    assert RunReader(run.path).kept_steps() == [4]


def test_a_run_that_ended_well_has_not_crashed(tmp_path: Path) -> None:
    trainer, run = trainer_of(SMALL), RunWriter.create(record_of(SMALL), tmp_path / "run")
    run.save(*trainer.state())
    run.set_state("stopped", 0)
    run.close()
    _, run = resumed(run.path)
    assert not run.crashed


def test_the_best_loss_is_that_of_the_lines_that_are_left(tmp_path: Path) -> None:
    trainer, run = trainer_of(SMALL), RunWriter.create(record_of(SMALL), tmp_path / "run")
    run.report({"step": 1, "loss": 3.0, "val_loss": 2.5})
    run.report({"step": 2, "loss": 3.0, "val_loss": 2.75})
    trainer.steps = 2
    run.save(*trainer.state())
    run.report({"step": 3, "loss": 3.0, "val_loss": 1.0})
    assert run.best_val_loss == 1.0
    run.close()
    _, run = resumed(run.path)
    assert run.best_val_loss == 2.5
    run.report({"step": 3, "loss": 3.0, "val_loss": 1.0})
    run.forget_after(1)
    assert len(metrics(run.path)) == 1
    assert run.best_val_loss == 2.5


@pytest.mark.parametrize("harm", ["text", "cut", "flipped", "missing"])
def test_a_refused_run_is_left_as_it_was(tmp_path: Path, harm: str) -> None:
    trainer, run = trainer_of(SMALL), RunWriter.create(record_of(SMALL), tmp_path / "run")
    run.save(*trainer.state())
    train_and_report(trainer, run, 3)
    run.close()
    saved = run.path / CHECKPOINT
    match harm:
        case "cut":
            saved.write_bytes(saved.read_bytes()[:-1])
        case "flipped":
            saved.write_bytes(saved.read_bytes()[:-1] + b"!")
        case "missing":
            saved.unlink()
    before = contents(run.path)
    sentence = {"text": "another text", "cut": "cut short", "flipped": "damaged", "missing": "after its first save"}
    with pytest.raises(UserError, match=sentence[harm]):
        RunWriter.resume(run.path, "another" if harm == "text" else FINGERPRINT)
    after = contents(run.path)
    assert after.pop("lock")
    del before["lock"]
    assert after == before
    assert RunReader(run.path).pid is None, "the lock is free again"


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), PowerCut()], ids=["full", "cut"])
def test_a_fault_at_any_write_of_a_save_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    for call in range(200):
        trainer, run = trainer_of(SMALL), RunWriter.create(record_of(SMALL), tmp_path / f"run{call}")
        train_and_report(trainer, run, 2)
        run.save(*trainer.state())
        train_and_report(trainer, run, 2)
        faulty = FaultyOs(call, error, recovers=isinstance(error, OSError), at_a_time=1000)
        with monkeypatch.context() as patch:
            patch.setattr(files, "os", faulty)
            patch.setattr(json_lines, "os", faulty)
            try:
                run.report({"step": 5, "loss": 1.0})
                run.save(*trainer.state())
            except type(error):
                failed = True
            else:
                failed = False
        if isinstance(error, OSError):
            run.save(*trainer.state())  # there is space again
            assert [json.loads(line)["step"] for line in metrics(run.path)] == [1, 2, 3, 4, 5]
        run._lock.release()  # as the end of the process does
        again, run = resumed(run.path)
        assert again.steps in ((4,) if isinstance(error, OSError) else (2, 4))
        assert [json.loads(line)["step"] for line in metrics(run.path)] == list(range(1, again.steps + 1))
        run.close()
        if not failed:
            break
    assert not failed
    assert call > 20


def test_killed_fifty_times_it_ends_where_it_would_have_ended(tmp_path: Path) -> None:
    run = RunWriter.create(record_of(SMALL), tmp_path / "run")
    run.save(*trainer_of(SMALL).state())
    run.set_state("training", 0)
    run.close()
    subprocess.run([sys.executable, "-m", small_run.__name__, str(run.path), "50"], check=True, cwd=ROOT)

    trainer, run = resumed(run.path)
    assert run.crashed
    assert trainer.steps > 0
    train_and_report(trainer, run, 10)
    straight, whole = trainer_of(SMALL), RunWriter.create(record_of(SMALL), tmp_path / "whole")
    train_and_report(straight, whole, trainer.steps)
    assert_same_state(trainer, straight)
    assert metrics(run.path) == metrics(whole.path)


def test_a_long_log_is_said_to_take_a_while(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "metrics.jsonl"
    log.touch()
    os.truncate(log, LONG_LOG - 1)  # without a byte on the disk
    say_if_long(tmp_path)
    say_if_long(tmp_path / "nothing")
    assert capsys.readouterr().err == ""
    os.truncate(log, LONG_LOG)
    say_if_long(tmp_path)
    assert "its log has 134 MB; to read it takes some seconds" in capsys.readouterr().err
