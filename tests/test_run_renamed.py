"""A run's directory that is renamed, deleted or replaced while the run writes: nothing is lost, and it is said."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.runs import checkpoint
from engine.runs.logs import read_rows
from engine.runs.reader import RunReader
from engine.runs.writer import CHECKPOINT, LOG, METRICS, RunWriter
from tests.small_run import FINGERPRINT, SMALL, record_of, train_and_report, trainer_of


@pytest.fixture
def run(tmp_path: Path) -> RunWriter:
    return RunWriter.create(record_of(SMALL), tmp_path / "runs" / "run")


def steps(path: Path) -> list[int]:
    return [row["step"] for row in read_rows(path / METRICS)]


def rename_it(path: Path) -> Path:
    return path.rename(path.with_name("renamed"))


def rename_its_parent(path: Path) -> Path:
    return path.parent.rename(path.parent.with_name("elsewhere")) / path.name


def move_it_far_away(path: Path) -> Path:
    (path.parent.parent / "a" / "b").mkdir(parents=True)
    return path.rename(path.parent.parent / "a" / "b" / "c")


@pytest.mark.parametrize("move", [rename_it, rename_its_parent, move_it_far_away])
def test_a_run_follows_its_directory(run: RunWriter, move: Callable[[Path], Path]) -> None:
    trainer, before = trainer_of(SMALL), run.path
    train_and_report(trainer, run, 1)
    after = move(run.path)
    train_and_report(trainer, run, 1)
    run.keep_weights(2, trainer.parameters.views)
    run.save_best(trainer.parameters.views, 2, 1.5)
    run.save(*trainer.state())
    said = f"{before}: was renamed; the run goes on in {after}"
    assert run.remarks() == [said]
    assert said in (after / LOG).read_text()
    assert not before.exists()
    assert (run.path, steps(after), RunReader(after).pid) == (after, [1, 2], os.getpid())
    run.save(*trainer.state())
    assert run.remarks() == [], "it is said once"
    run.close()
    _, arrays, _ = RunWriter.resume(after, FINGERPRINT)
    assert set(arrays) >= set(trainer.parameters.views)
    assert RunReader(after).weights("best").flat.tobytes() == trainer.parameters.flat.tobytes()
    assert RunReader(after).kept_steps() == [2]


def test_another_run_of_the_same_name_is_never_written_into(run: RunWriter) -> None:
    trainer, name = trainer_of(SMALL), run.path
    after = rename_it(run.path)
    other = RunWriter.create(record_of(SMALL, text_name="of another"), name)
    before = {path: path.read_bytes() for path in name.iterdir()}
    train_and_report(trainer, run, 3)
    run.save(*trainer.state())
    assert {path: path.read_bytes() for path in name.iterdir()} == before
    assert steps(after) == [1, 2, 3]
    other.close()


@pytest.mark.parametrize("then", ["nothing", "an empty directory", "another run", "no parent", "a link"])
def test_a_directory_that_was_deleted_is_made_again(run: RunWriter, tmp_path: Path, then: str) -> None:
    filled = []
    run.fill = lambda run: filled.append(run.path)
    trainer, name = trainer_of(SMALL), run.path
    train_and_report(trainer, run, 2)
    shutil.rmtree(name.parent if then == "no parent" else name)
    expected = name
    if then == "an empty directory":
        name.mkdir(mode=0o755)
    elif then == "another run":
        RunWriter.create(record_of(SMALL, text_name="of another"), name).close()
        expected = name.with_name("run-2")
    elif then == "a link":
        (tmp_path / "empty").mkdir()
        name.symlink_to(tmp_path / "empty")
        expected = name.with_name("run-2")
    step = trainer.step()
    with pytest.raises(FileNotFoundError):
        run.report({"step": step.step, "loss": step.loss})
    run.save(*trainer.state())
    said = f"{name}: was deleted, with all that was in it; the run goes on in {expected}"
    assert run.remarks() == [said]
    assert said in (expected / LOG).read_text()
    assert steps(expected) == [3], "a line that could not be written waits"
    assert filled == [expected]
    assert expected.stat().st_mode & 0o777 == 0o700
    stored = RunReader(expected)
    assert (stored.record, stored.pid) == (run.record, os.getpid())
    assert stored.weights().flat.tobytes() == trainer.parameters.flat.tobytes()
    if then == "another run":
        assert RunReader(name).record.text_name == "of another"
    assert not (tmp_path / "empty").exists() or not list((tmp_path / "empty").iterdir())


def test_files_that_were_deleted_are_put_back(run: RunWriter) -> None:
    trainer = trainer_of(SMALL)
    for path in run.path.iterdir():
        path.unlink()
    train_and_report(trainer, run, 2)
    run.save(*trainer.state())
    stored = RunReader(run.path)
    assert (stored.record, stored.pid) == (run.record, os.getpid())
    assert run.remarks() == [f"{run.path}: its files were deleted; the run goes on there without what was in them"]
    assert checkpoint.read(run.path / CHECKPOINT)[1]["steps"] == 2


def test_a_run_that_cannot_be_made_again_goes_on_in_memory(run: RunWriter) -> None:
    trainer = trainer_of(SMALL)
    shutil.rmtree(run.path.parent)
    run.path.parent.write_text("a file where the directory was")
    for _ in range(3):
        with contextlib.suppress(OSError):
            train_and_report(trainer, run, 1)
        with pytest.raises(OSError, match=r"Not a directory|File exists"):
            run.save(*trainer.state())
    run.path.parent.unlink()
    run.save(*trainer.state())
    assert steps(run.path) == [1, 2, 3]
    assert json.loads((run.path / "state.json").read_text())["step"] == 3
