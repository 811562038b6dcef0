"""Writes a run's directory: the results of the run, and all that a resumed run needs.

config.json               settings, vocabulary and text
state.json                what the run is doing, for lists of runs
metrics.jsonl             a line for each report
samples.jsonl             finished samples
gradients.jsonl           the gradient flow at log-spaced steps
model.safetensors         the latest weights
best.safetensors          the weights with the lowest validation loss
checkpoint.safetensors    all that a resumed run needs to go on with the same bits
moments/                  weights kept at log-spaced steps
lock                      locked by the process that writes the run; holds its process id
log.txt                   tracebacks
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from engine.errors import UserError
from engine.probes.results import GradientFlow, Sample
from engine.runs import checkpoint, kept_weights
from engine.runs.checkpoint import Arrays
from engine.runs.files import PRIVATE_FILE, write_all, write_atomically
from engine.runs.lock import RunLock
from engine.runs.logs import JsonLines, flow_row, read_rows, sample_row
from engine.runs.new_directory import new_directory
from engine.runs.record import CONFIG, RunRecord, State, read_record

STATE = "state.json"
METRICS = "metrics.jsonl"
SAMPLES = "samples.jsonl"
GRADIENTS = "gradients.jsonl"
MODEL = "model.safetensors"
BEST = "best.safetensors"
CHECKPOINT = "checkpoint.safetensors"
LOG = "log.txt"

STATE_INTERVAL = 1.0  # seconds between two updates of the numbers in state.json
UNFINISHED = ("starting", "training", "paused")  # states of a run that goes on; without a process, it has crashed


class RunWriter:
    """The directory of one run, held by its lock until `close`.

    Methods that write raise `OSError` if the disk refuses. The files are then as they were before. A line for a log
    waits in memory for the next write, so a call that adds a line must not be repeated.
    """

    def __init__(self, path: Path, record: RunRecord, lock: RunLock) -> None:
        self.path, self.record = path, record
        self.crashed = False  # whether the last process ended without writing a final state
        self.best_val_loss: float | None = None
        self._lock = lock
        self._metrics = JsonLines(path / METRICS)
        self._samples = JsonLines(path / SAMPLES)
        self._gradients = JsonLines(path / GRADIENTS)
        self._status: dict[str, Any] = {"state": "starting", "reason": "", "step": 0, "loss": None}
        self._status_written = -STATE_INTERVAL

    @classmethod
    def create(
        cls,
        record: RunRecord,
        directory: Path | None = None,
        root: Path = Path("runs"),
        *,
        fill: Callable[[RunWriter], None] = lambda run: None,
    ) -> RunWriter:
        """Create a run in `directory`, or under a new readable name in `root`; `fill` may put more into it.

        Raises `UserError` if `directory` is not empty or cannot be written; then nothing is left behind.
        """
        with new_directory(directory, root) as path:
            lock = RunLock(path)
            try:
                run = cls(path, record, lock)
                run.describe(record)
                fill(run)
                run.set_state("starting", 0)
            except BaseException:
                lock.release()
                raise
        return run

    @classmethod
    def resume(cls, path: Path, fingerprint: str) -> tuple[RunWriter, Arrays, dict[str, Any]]:
        """Reopen the run in `path`; return it, and the arrays and values of its checkpoint.

        The caller drops lines of logs and kept weights of steps after the checkpoint (`forget_after`) once it is
        certain that the run goes on. Raises `UserError`, and changes nothing, if the run's text has another
        `fingerprint`, its checkpoint is damaged or missing, or another process writes the run.
        """
        path = Path(os.path.abspath(path))
        record = read_record(path)
        if record.fingerprint != fingerprint:
            raise UserError(
                f"{path}: was trained on another text than this ({record.text_name}, "
                f"{record.text_length:,} characters); resume it with the text it began with, or start a new run"
            )
        try:
            lock = RunLock(path)
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror}); check its permissions") from None
        try:
            run = cls(path, record, lock)
            arrays, meta = checkpoint.read(path / CHECKPOINT)
            run.crashed = read_state(path).get("state") in UNFINISHED
        except BaseException:
            lock.release()
            raise
        return run, arrays, meta

    def describe(self, record: RunRecord) -> None:
        """Replace `config.json`, because a resumed run may have other settings, such as a later last step."""
        write_atomically(self.path / CONFIG, record.to_bytes())
        self.record = record

    def report(self, row: Mapping[str, Any]) -> None:
        """Add a line to the metrics.

        It has step, epoch, loss (nats per character), lr, grad_norm, chars_per_second and time (seconds of training),
        and, if they were measured, val_loss, regret where an oracle is known, their standard errors val_loss_se and
        regret_se (nats per character), and reach (characters).
        """
        self._note_validation(row)
        self._status |= {"step": row["step"], "loss": row["loss"]}
        self._metrics.append(row)
        if time.monotonic() - self._status_written >= STATE_INTERVAL:
            self._write_state()

    def add_sample(self, sample: Sample) -> None:
        """Add a finished sample."""
        self._samples.append(sample_row(sample))

    def add_gradient_flow(self, flow: GradientFlow) -> None:
        """Add a gradient flow."""
        self._gradients.append(flow_row(flow))

    def keep_weights(self, step: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep the parameters among `arrays` as those of `step`; see `engine.runs.kept_weights`."""
        kept_weights.keep(self.path, step, weights_of(arrays))

    def save(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """Write the checkpoint and the latest weights.

        `arrays` and `meta` are the two results of `Trainer.state`; the caller may have added more to `meta`.
        """
        self._mend()
        for log in (self._metrics, self._samples, self._gradients):
            log.flush(durable=True)  # first, so that after a power cut no line from before the checkpoint is missing
        checkpoint.write(self.path / CHECKPOINT, arrays, meta)
        checkpoint.write(self.path / MODEL, weights_of(arrays), {"step": meta["steps"]})
        self._status["step"] = meta["steps"]
        self._write_state()

    def save_best(self, arrays: Mapping[str, NDArray[Any]], step: int, val_loss: float) -> None:
        """Write the parameters among `arrays` as the best weights, with their validation loss, nats per character."""
        checkpoint.write(self.path / BEST, weights_of(arrays), {"step": step, "val_loss": val_loss})

    def set_state(self, state: State, step: int, reason: str = "") -> None:
        """Write into `state.json` what the run is doing, and why."""
        self._status |= {"state": state, "step": step, "reason": reason}
        if state == "diverged":  # the run went back to the weights of `step`, and the last losses are of later steps
            rows = [row for row in read_rows(self.path / METRICS) if row["step"] <= step]
            self._status["loss"] = rows[-1]["loss"] if rows else None
        self._write_state()

    def forget_after(self, step: int) -> None:
        """Drop the lines of logs and the kept weights of steps after `step`.

        For step 0 its own gradient flow is dropped too, because the run records that again.
        """
        self._metrics.forget_after(step)
        self._samples.forget_after(step)
        self._gradients.forget_after(step if step else -1)
        kept_weights.forget_after(self.path, step)
        self.best_val_loss = None
        self._status |= {"step": step, "loss": None}
        for row in read_rows(self.path / METRICS):
            self._note_validation(row)
            self._status["loss"] = row.get("loss")

    def log(self, text: str) -> Path:
        """Add `text` to the log file, and return the file's path. Raises `OSError` if the disk refuses."""
        path = self.path / LOG
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
        try:
            write_all(descriptor, f"{datetime.now():%Y-%m-%d %H:%M:%S} {text.rstrip()}\n".encode(errors="replace"))
        finally:
            os.close(descriptor)
        return path

    def close(self) -> None:
        """Write the lines that still wait, and release the lock."""
        try:
            for log in (self._metrics, self._samples, self._gradients):
                log.flush()
        finally:
            self._lock.release()

    def reopen(self, step: int) -> None:
        """Take the lock again, after `close`. Lines and kept weights of steps after `step` are dropped.

        Raises `UserError` if another process writes the run, `OSError` if the directory is gone.
        """
        self._lock = RunLock(self.path)
        self.forget_after(step)

    def _note_validation(self, row: Mapping[str, Any]) -> None:
        val_loss = row.get("val_loss")
        if val_loss is not None and math.isfinite(val_loss):
            self.best_val_loss = val_loss if self.best_val_loss is None else min(val_loss, self.best_val_loss)

    def _write_state(self) -> None:
        status = {**self._status, "best_val_loss": self.best_val_loss, "pid": os.getpid(), "updated": time.time()}
        write_atomically(self.path / STATE, json.dumps(status).encode() + b"\n", durable=False)
        self._status_written = time.monotonic()

    def _mend(self) -> None:
        """Put back the lock and `config.json`, if the directory was deleted and made again."""
        if not self._lock.is_in_place():
            lock = RunLock(self.path)
            self._lock.release()
            self._lock = lock
        if not (self.path / CONFIG).exists():
            self.describe(self.record)


def weights_of(arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """The parameters among the arrays of a checkpoint."""
    return {name: array for name, array in arrays.items() if name.startswith(("embedding.", "rnn.", "head."))}


def read_state(path: Path) -> dict[str, Any]:
    """The content of `state.json` in the run's directory `path`; empty if it cannot be read."""
    try:
        status = json.loads((path / STATE).read_bytes())
    except (OSError, ValueError):
        return {}
    return status if isinstance(status, dict) else {}
