"""A run small enough to be saved, killed and resumed many times in a test."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from engine.config import Config
from engine.network.cells.layer import Clamps
from engine.runs import checkpoint
from engine.runs.files import writing_into
from engine.runs.logs import read_rows
from engine.runs.record import RunRecord
from engine.runs.waiting_weights import BEST
from engine.runs.writer import CHECKPOINT, METRICS, RunWriter
from engine.session.session import Session
from engine.training.memory import parameter_count
from engine.training.trainer import Trainer
from engine.training.training import Step

VOCABULARY = tuple("abcdefg")
SMALL = Config(hidden=6, embedding=4, batch=2, seq=5, layers=2, dropout=0.25, threads=1)
FINGERPRINT = "0123abcd"


def trainer_of(config: Config) -> Trainer:
    codes = np.random.default_rng(5).integers(0, len(VOCABULARY), 120)
    return Trainer(config, len(VOCABULARY), codes[:100], codes[100:])


def trainer_in(session: Session) -> Trainer:
    """The trainer of a session whose steps this program makes."""
    trainer = session.loop.trainer
    assert isinstance(trainer, Trainer)
    return trainer


def validation_loss(trainer: Trainer, clamps: dict[int, Clamps] | None = None) -> float:
    losses = trainer.validate(clamps)
    assert losses is not None
    return losses.mean


def record_of(config: Config, **changes: Any) -> RunRecord:
    values: dict[str, Any] = {
        "vocabulary": VOCABULARY,
        "text_name": "letters",
        "text_length": 120,
        "fingerprint": FINGERPRINT,
        "parameters": parameter_count(config, len(changes.get("vocabulary", VOCABULARY))),
    }
    return RunRecord(config=config, **(values | changes))


def row_of(step: Step) -> dict[str, float]:
    return {
        "step": step.step,
        "epoch": step.epoch,
        "loss": step.loss,
        "lr": step.lr,
        "grad_norm": step.grad_norm,
        "chars_per_second": 1000,
        "time": step.step / 10,
    }


def train_and_report(trainer: Trainer, run: RunWriter, steps: int) -> None:
    for _ in range(steps):
        run.report(row_of(trainer.step()))


def resumed(path: Path) -> tuple[Trainer, RunWriter]:
    run, arrays, meta = RunWriter.resume(path, FINGERPRINT)
    run.forget_after(meta["steps"])
    trainer = trainer_of(run.record.config)
    trainer.restore(arrays, meta)
    return trainer, run


def resume_and_close(path: Path) -> None:
    """Do to the directory what a resumption does before the first step. Raises `UserError` if the disk refuses."""
    with writing_into(path):
        run, _, meta = RunWriter.resume(path, FINGERPRINT)
        try:
            run.forget_after(meta["steps"])
        finally:
            run.close()


def assert_same_state(one: Trainer, other: Trainer) -> None:
    """Not close: the same bits."""
    arrays, meta = one.state()
    other_arrays, other_meta = other.state()
    assert meta == other_meta
    assert arrays.keys() == other_arrays.keys()
    for name, array in arrays.items():
        assert array.tobytes() == other_arrays[name].tobytes(), name


class PowerCut(BaseException):
    """The process is gone: nothing catches this."""


class FaultyOs:
    """Stands in for `os`: writes `at_a_time` bytes, and call number `fail_at` raises `error` after half of that.

    From then on nothing works, as for a process that is dead, unless `recovers`.
    """

    def __init__(self, fail_at: int, error: BaseException, *, recovers: bool = False, at_a_time: int = 100) -> None:
        self.calls, self.fail_at, self.error, self.recovers = 0, fail_at, error, recovers
        self.at_a_time = at_a_time

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in ("open", "write", "fsync", "ftruncate", "replace", "unlink"):
            return real

        def call(*arguments: Any, **options: Any) -> Any:
            failing = self.calls == self.fail_at if self.recovers else self.calls >= self.fail_at
            self.calls += 1
            if name == "write":
                descriptor, data = arguments
                arguments = (descriptor, bytes(data[: self.at_a_time // (2 if failing else 1)]))
                if failing:
                    real(*arguments)
            if failing:
                raise self.error
            return real(*arguments, **options)

        return call


def be_killed_often(path: Path, times: int) -> None:
    """Train the run in `path` in a child that is killed at a random moment, `times` times."""
    for _ in range(times):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            _train_for_ever(path, writer)
        os.close(writer)
        os.read(reader, 8)  # it has resumed
        time.sleep(random.uniform(0, 0.05))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with open(reader, "rb") as pipe:
            saved = np.frombuffer(pipe.read(), np.int64)
        _, meta = checkpoint.read(path / CHECKPOINT)
        assert meta["steps"] >= saved.max(initial=0)
        if (path / BEST).exists():  # of a step that the checkpoint and the log have
            best = checkpoint.read(path / BEST)[1]["step"]
            assert best <= meta["steps"]
            assert best <= max(row["step"] for row in read_rows(path / METRICS))


def _train_for_ever(path: Path, writer: int) -> None:
    trainer, run = resumed(path)
    os.write(writer, np.int64(trainer.steps).tobytes())
    while True:
        train_and_report(trainer, run, 3)
        run.save_best(trainer.parameters.views, trainer.steps, 1 / trainer.steps)
        run.save(*trainer.state())
        os.write(writer, np.int64(trainer.steps).tobytes())


if __name__ == "__main__":
    be_killed_often(Path(sys.argv[1]), int(sys.argv[2]))
