"""Every call to the system that a save makes fails once: a checkpoint to go on from is there, and nothing is lost."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import UserError
from engine.runs import checkpoint
from engine.runs.reader import RunReader
from engine.runs.record import CONFIG, RunRecord
from engine.runs.waiting_weights import BEST
from engine.runs.writer import CHECKPOINT, LOG, METRICS, RunWriter
from engine.session import recorder
from engine.session.messages import Event, Notice, Sample
from engine.session.recorder import Recorder
from engine.training.trainer import Trainer
from tests.small_run import SMALL, record_of, resume_and_close, row_of, trainer_of
from tui.cli import main

WATCHED = ("open", "write", "fsync", "replace", "ftruncate", "fchmod", "chmod", "mkdir", "pread", "unlink", "listdir")


class System:
    """Notes the calls to the system, and lets number `fail_at` fail with `code`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fail_at: int = -1, code: int = errno.EIO) -> None:
        self.calls: list[tuple[str, str]] = []  # names of functions, and of what they were called with
        for name in WATCHED:
            monkeypatch.setattr(os, name, self._watched(name, getattr(os, name), fail_at, code))

    def _watched(self, name: str, real: Callable[..., Any], fail_at: int, code: int) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            what = arguments[0] if arguments else "."
            is_descriptor = isinstance(what, int)
            self.calls.append((name, os.readlink(f"/proc/self/fd/{what}") if is_descriptor else os.fspath(what)))
            if len(self.calls) - 1 == fail_at:
                if name == "write":  # a part of it
                    real(what, bytes(arguments[1][: len(arguments[1]) // 2]))
                raise OSError(code, os.strerror(code))
            return real(*arguments, **options)

        return call


def sample(step: int) -> Sample:
    return Sample(step, None, 0.8, "abc", np.array([0.5, 0.25, 0.125], np.float32), complete=True)


class Run:
    """A run that was saved at step 2, and has come to step 4."""

    def __init__(self, path: Path) -> None:
        self.trainer: Trainer = trainer_of(SMALL)
        record: RunRecord = record_of(SMALL)
        self.writer = RunWriter.create(record, path)
        self.go_on()
        self.save()

    def go_on(self) -> None:
        """Two steps, with all that a run writes. What the disk refuses waits."""
        writer, weights = self.writer, self.trainer.parameters.views
        for _ in range(2):
            made = self.trainer.step()
            with contextlib.suppress(OSError):
                writer.report(row_of(made))
        step = self.trainer.steps
        with contextlib.suppress(OSError):
            writer.add_sample(sample(step))
        with contextlib.suppress(OSError):
            writer.keep_weights(step, weights)
        writer.save_best(weights, step, 2.0 - step / 10)

    def save(self) -> None:
        self.writer.save(*self.trainer.state())


CODES = {"full": errno.ENOSPC, "broken": errno.EIO, "interrupted": errno.EINTR}


@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
def test_a_save_of_which_any_call_fails(tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a checkpoint at every moment; the next save has all: lines, best and kept weights."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # which takes most of the time
    fail_at, seen = 0, set()
    while True:
        path = tmp_path / str(fail_at)
        run = Run(path)
        with monkeypatch.context() as patch:
            system = System(patch, fail_at, code)
            run.go_on()
            failed = True
            with contextlib.suppress(OSError):
                run.save()
                failed = False
        if len(system.calls) <= fail_at:
            break
        done = checkpoint.read(path / CHECKPOINT)[1]["steps"]
        seen.add((done, failed))
        assert done in (2, 4)
        assert not (failed and code == errno.EINTR and system.calls[fail_at][0] == "replace")
        assert not [left for left in path.rglob("*.tmp") if system.calls[fail_at][0] != "unlink"]

        run.trainer.step()
        run.save()
        assert checkpoint.read(path / CHECKPOINT)[1]["steps"] == 5
        stored = RunReader(path)
        assert stored.metrics()["step"].tolist() == [1, 2, 3, 4]
        assert [found.step for found in stored.samples()] == [2, 4]
        assert stored.kept_steps() == [2, 4]
        assert checkpoint.read(path / "best.safetensors")[1]["step"] == 4
        run.writer.close()
        resume_and_close(path)
        fail_at += 1
    assert fail_at > 45, "many calls"
    assert seen >= {(2, True), (4, True)}, "before and after the new checkpoint took the old one's place"


@pytest.mark.parametrize("fail_at", range(18))
def test_a_resume_of_which_a_call_fails_loses_nothing(
    tmp_path: Path, fail_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path / "run")
    run.go_on()
    run.writer.close()
    metrics = (tmp_path / "run" / METRICS).read_bytes().splitlines()
    with monkeypatch.context() as patch:
        system = System(patch, fail_at)
        with contextlib.suppress(UserError, OSError):
            resume_and_close(tmp_path / "run")
    assert len(system.calls) > fail_at
    assert (tmp_path / "run" / METRICS).read_bytes().splitlines()[:2] == metrics[:2]
    resume_and_close(tmp_path / "run")
    assert (tmp_path / "run" / METRICS).read_bytes().splitlines() == metrics[:2]


def test_a_resume_that_finds_no_room_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names the file and the reason, also where the settings are written again."""
    (tmp_path / "text").write_text("to be or not to be\n" * 40)
    options = ["--headless", "--hidden", "4", "--batch", "2", "--seq", "5", "--threads", "1", "--workers", "1"]
    assert main(["train", str(tmp_path / "text"), "--run", str(tmp_path / "it"), "--steps", "2", *options]) == 0
    before = checkpoint.read(tmp_path / "it" / CHECKPOINT)[1]
    capsys.readouterr()
    replace = os.replace

    def full(source: Path, target: Path, **options: Any) -> None:
        if target.name == CONFIG:
            raise OSError(errno.ENOSPC, "No space left on device", source)
        replace(source, target, **options)

    monkeypatch.setattr(os, "replace", full)
    assert main(["train", "--resume", str(tmp_path / "it"), "--steps", "4", "--headless"]) == 2
    assert f"it/{CONFIG}: cannot be written (No space left on device); remove what" in capsys.readouterr().err
    assert checkpoint.read(tmp_path / "it" / CHECKPOINT)[1] == before


def test_a_file_is_synced_before_it_gets_its_name_and_the_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """write → fsync → rename → fsync of the directory, for each file; and the logs before the checkpoint."""
    run = Run(tmp_path / "run")
    run.go_on()
    system = System(monkeypatch)
    run.save()
    monkeypatch.undo()
    calls = [(name, Path(what)) for name, what in system.calls]
    renamed = [place for place, (name, _) in enumerate(calls) if name == "replace"]
    files = [calls[place][1].name.split(".")[1] for place in renamed]
    assert files == ["checkpoint", "model", "best", "state"]
    for place in renamed[:3]:  # a list can do without the last state
        name = calls[place][1].name
        before = [call for call, what in calls[:place] if what.name == name]
        assert before[-1] == "fsync"
        assert before[-2] == "write"
        assert calls[place + 2] == ("fsync", run.writer.path)
    synced = [what.name for call, what in calls[: renamed[0]] if call == "fsync"]
    assert synced[:2] == ["metrics.jsonl", "samples.jsonl"]


def test_on_a_full_disk_the_state_is_written_over_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list says how the run ended, though there was no room for its last save."""
    run = Run(tmp_path / "run")
    real = os.open

    def full(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, flags, *arguments, **options)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(OSError, match="No space left"):
        run.save()
    run.writer.set_state("stopped", 4, "a reason that is longer than the one before, by far")
    run.writer.set_state("failed", 4, "short")
    monkeypatch.undo()
    stored = RunReader(tmp_path / "run")
    assert (stored.state, stored.status.reason, stored.status.step) == ("failed", "short", 4)


def texts(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Notice)]


@pytest.mark.parametrize("name", [BEST, "4.safetensors"])
def test_saving_does_not_work_again_before_all_weights_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Weights that the disk refused once are tried again; until they are there, nobody says that nothing is lost."""
    run = Run(tmp_path / "run")
    recorder = Recorder(run.writer)
    replace = os.replace

    def full(source: Path, target: Path, **options: Any) -> None:
        if target.name == name:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        for _ in range(2):
            run.trainer.step()
        recorder.save_best(run.trainer, 1.0)
        recorder.add_moment(run.trainer)
        said = [text for _ in range(3) for text in texts(recorder.save(run.trainer, "interval", {}))]
        assert said == [recorder.warning], "once"
        assert "No space left on device; training goes on" in recorder.warning
        assert recorder.warning in (run.writer.path / LOG).read_text()
    run.trainer.step()
    assert texts(recorder.save(run.trainer, "interval", {})) == ["saving works again; nothing is lost"]
    assert not recorder.warning
    assert checkpoint.read(run.writer.path / BEST)[1]["step"] == 4
    assert 4 in RunReader(run.writer.path).kept_steps()


def test_what_was_deleted_is_lost(tmp_path: Path) -> None:
    """Saving works again then, but the notice does not say that nothing is lost."""
    run = Run(tmp_path / "run")
    recorder = Recorder(run.writer)
    shutil.rmtree(run.writer.path)
    recorder.report(row_of(run.trainer.step()))
    assert texts(recorder.news()) == [recorder.warning]
    said = texts(recorder.save(run.trainer, "interval", {}))
    deleted = f"{run.writer.path}: was deleted, with all that was in it; the run goes on in {run.writer.path}"
    assert said == [deleted, "saving works again"]
    assert recorder.remark == deleted


@pytest.mark.parametrize("failures", [1, 2])
def test_a_last_save_is_tried_twice_and_then_the_state_says_that_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    monkeypatch.setattr(recorder, "LAST_RETRY_SECONDS", 0.01)
    run = Run(tmp_path / "run")
    run.go_on()
    refusals, save = [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))] * failures, run.writer.save

    def refuse(*values: Any) -> None:
        if refusals:
            raise refusals.pop()
        save(*values)

    monkeypatch.setattr(run.writer, "save", refuse)
    records = Recorder(run.writer)
    records.save(run.trainer, "end", {})
    records.set_state("stopped", 4, "")
    reason = "" if failures == 1 else "its end could not be saved: No space left on device"
    assert RunReader(tmp_path / "run").status.reason == reason
    assert checkpoint.read(tmp_path / "run" / CHECKPOINT)[1]["steps"] == (4 if failures == 1 else 2)
    assert bool(records.warning) == (failures == 2)
