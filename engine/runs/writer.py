"""Writes a run's directory: the results of the run, and all that a resumed run needs.

config.json               settings, vocabulary and text
state.json                what the run is doing, for lists of runs
metrics.jsonl             a line for each report
samples.jsonl             finished samples
model.safetensors         the latest weights
best.safetensors          the weights with the lowest validation loss
checkpoint.safetensors    all that a resumed run needs to go on with the same bits
text.txt                  the text, where it is not sure to be found again as it was
moments/                  weights kept at log-spaced and at marked steps
lock                      locked by the process that writes the run; holds its process id
prompts.json              what viewers typed last
log.txt                   tracebacks
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from engine.arrays import Array
from engine.errors import UserError
from engine.probes.results import Sample
from engine.runs import checkpoint, kept_weights
from engine.runs.checkpoint import Arrays
from engine.runs.directory import RunDirectory
from engine.runs.files import append, remove_unfinished, writing_into
from engine.runs.lock import Parts, RunLock, locked
from engine.runs.logs import JsonLines
from engine.runs.new_directory import new_directory
from engine.runs.record import CONFIG, RunRecord, State, read_record
from engine.runs.rows import reports, sample_row
from engine.runs.saved_values import beside_checkpoint, beside_weights, require_resumable
from engine.runs.status import STATE, UNFINISHED, Status, of_report, read_state, write_status
from engine.runs.waiting_weights import BEST, WaitingWeights, weights_of

METRICS = "metrics.jsonl"
SAMPLES = "samples.jsonl"
MODEL = "model.safetensors"
CHECKPOINT = "checkpoint.safetensors"
LOG = "log.txt"

# What the run appends to, which must have no second name; what it replaces; directories.
PARTS = Parts((METRICS, SAMPLES, LOG), (CONFIG, STATE, CHECKPOINT, MODEL, BEST), (kept_weights.DIRECTORY,))

LONGEST_WINDOW = 2000  # time steps whose gradient norms stand in `state.json`, which is written every second
STATE_INTERVAL = 1.0  # seconds between two updates of the numbers in state.json


class RunWriter:
    """The directory of one run, held by its lock until `close`.

    It stays the run's directory when it is renamed. Methods that write raise `OSError` if the disk refuses. The files
    are then as they were before. A line for a log, kept weights or the best ones wait in memory for the next write, so
    a call that adds something must not be repeated.
    """

    def __init__(self, directory: RunDirectory, record: RunRecord, lock: RunLock) -> None:
        self.directory, self.record = directory, record
        self.crashed = False  # whether the last process ended without writing a final state
        self.best_val_loss: float | None = None
        self.fill: Callable[[RunWriter], None] = lambda run: None  # puts more into a directory that is made again
        self._lock = lock
        self._metrics = JsonLines(directory, METRICS)
        self._samples = JsonLines(directory, SAMPLES)
        self._waiting = WaitingWeights()
        self._remarks: list[str] = []
        self._status = Status()
        self._status_written = -STATE_INTERVAL

    @property
    def path(self) -> Path:
        """Where the run's directory was found last."""
        return self.directory.path

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
        record.to_bytes()  # it refuses one that could not be read again, before anything is made
        with new_directory(directory, root) as path, locked(path, PARTS) as (opened, lock):
            remove_unfinished(opened.descriptor)
            run = cls(opened, record, lock)
            run.describe(record)
            run.fill = fill
            fill(run)
            run.set_state("starting", 0)
        return run

    @classmethod
    def resume(
        cls,
        path: Path,
        fingerprint: str,
        check_shapes: Callable[[checkpoint.Shapes], None] = lambda shapes: None,
        check_session: Callable[[Any], object] = lambda values: None,
    ) -> tuple[RunWriter, Arrays, dict[str, Any]]:
        """Reopen the run in `path`; return it, and the arrays and values of its checkpoint.

        `check_shapes` and `check_session` refuse them, see `checkpoint.read` and `require_resumable`.

        The caller drops lines of logs and kept weights of steps after the checkpoint (`forget_after`) once it is
        certain that the run goes on. Raises `UserError`, and changes nothing, if the run's text has another
        `fingerprint`, its checkpoint is damaged or missing, another process writes the run, others may write into the
        directory, or one of its files is a link or not this user's.
        """
        path = Path(os.path.abspath(path))
        record = read_record(path)
        if record.fingerprint != fingerprint:
            raise UserError(
                f"{path}: was trained on another text than this ({record.text_name}, "
                f"{record.text_length:,} characters); resume it with the text it began with, or start a new run"
            )
        with writing_into(path), locked(path, PARTS) as (directory, lock):
            run = cls(directory, record, lock)
            arrays, meta = checkpoint.read(path / CHECKPOINT, check_shapes)
            require_resumable(path / CHECKPOINT, record, meta, check_session)
            before = read_state(path)
            run.crashed = before.updated > 0 and before.state in UNFINISHED
            remove_unfinished(directory.descriptor)
        return run, arrays, meta

    def describe(self, record: RunRecord) -> None:
        """Replace `config.json`, because a resumed run may have other settings, such as a later last step."""
        self.directory.write(CONFIG, record.to_bytes())
        self.record = record

    def report(self, row: Mapping[str, Any]) -> None:
        """Add a line to the metrics.

        It has the fields of `engine.runs.rows.Metrics`; val_loss, regret, reach, their standard errors and lambda1 only
        if they were measured.
        """
        self._note_validation(row.get("val_loss"))
        self._note(**of_report(row) | {"loss": row["loss"]})
        is_due = time.monotonic() - self._status_written >= STATE_INTERVAL
        if is_due:
            self._find()
        self._metrics.append(row)
        if is_due:
            self._write_state()

    def add_sample(self, sample: Sample) -> None:
        """Add a finished sample."""
        self._samples.append(sample_row(sample))

    def note_gradient_norms(self, norms: Array) -> None:
        """Have `state.json` say ‖G_0‖ … ‖G_{T−1}‖ (T,) of the weights kept last, for lists of runs."""
        self._note(gradient_norms=tuple(norms.tolist()) if len(norms) <= LONGEST_WINDOW else ())

    def keep_weights(self, step: int, arrays: Mapping[str, NDArray[Any]], *, marked: bool = False) -> None:
        """Keep the parameters among `arrays` as those of `step`; see `engine.runs.kept_weights`."""
        values = beside_weights(self.record, step)
        self._waiting.keep(self.directory, step, weights_of(arrays), values, marked=marked)

    def save_best(self, arrays: Mapping[str, NDArray[Any]], step: int, val_loss: float) -> None:
        """Have the next save write the parameters among `arrays` as the best weights; `val_loss` in nats per character.

        Not at once: if the process is killed, the best weights must not be of a step that the checkpoint and the logs
        do not know.
        """
        self._waiting.put_best(step, weights_of(arrays), beside_weights(self.record, step, val_loss=val_loss))

    def save(self, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """Write the checkpoint, the latest and the best weights, and all that could not be written before.

        `arrays` and `meta` are the two results of `Trainer.state`; the caller may have added more to `meta`.
        """
        self._put_back()
        for log in self._logs:
            log.flush(durable=True)  # first, so that after a power cut no line from before the checkpoint is missing
        fd = self.directory.descriptor
        checkpoint.write(CHECKPOINT, arrays, beside_checkpoint(self.record, meta), dir_fd=fd)
        checkpoint.write(MODEL, weights_of(arrays), beside_weights(self.record, meta["steps"]), dir_fd=fd)
        self._waiting.write(self.directory)
        self._note(step=meta["steps"])
        self._write_state()

    def set_state(self, state: State, step: int, reason: str = "") -> None:
        """Write into `state.json` what the run is doing, and why."""
        self._note(state=state, step=step, reason=reason)
        if state == "diverged":  # the run went back to the weights of `step`, and the last losses are of later steps
            losses = [row.loss for row in reports(self._metrics.rows()) if row.step <= step]
            self._note(loss=losses[-1] if losses else None)
        self._find()
        self._write_state()

    def forget_after(self, step: int) -> None:
        """Drop the lines of logs and the kept weights of steps after `step`."""
        self._waiting.forget_after(step)
        with contextlib.ExitStack() as actions:  # if one fails, the others are done all the same
            actions.callback(kept_weights.forget_after, self.directory, step)
            actions.callback(self._samples.forget_after, step)
            actions.callback(self._metrics.forget_after, step)
        self.best_val_loss = None
        self._note(step=step, loss=None)
        for row in reports(self._metrics.rows()):
            self._note_validation(row.val_loss)
            self._note(**of_report(dataclasses.asdict(row)) | {"step": step, "loss": row.loss})

    def log(self, text: str) -> Path:
        """Add `text` to the log file, and return the file's path. Raises `OSError` if the disk refuses."""
        line = f"{datetime.now():%Y-%m-%d %H:%M:%S} {text.rstrip()}\n".encode(errors="replace")
        append(LOG, line, dir_fd=self.directory.descriptor)
        return self.path / LOG

    def remarks(self) -> list[str]:
        """What has happened to the directory since the last call: sentences that its user should read."""
        remarks, self._remarks = self._remarks, []
        return remarks

    def close(self) -> None:
        """Write the lines that still wait, and release the lock."""
        with contextlib.ExitStack() as actions:
            actions.callback(self.directory.close)
            actions.callback(self._lock.release)
            for log in self._logs:
                actions.callback(log.flush)

    @property
    def _logs(self) -> tuple[JsonLines, ...]:
        return self._metrics, self._samples

    def reopen(self, step: int) -> None:
        """Take the lock again, after `close`. Lines and kept weights of steps after `step` are dropped.

        Raises `UserError` if another process writes the run, `OSError` if the directory is gone.
        """
        self.directory.reopen()
        self._lock = RunLock(self.path, dir_fd=self.directory.descriptor)
        self.forget_after(step)

    def _note_validation(self, val_loss: float | None) -> None:
        if val_loss is not None and math.isfinite(val_loss):
            self.best_val_loss = val_loss if self.best_val_loss is None else min(val_loss, self.best_val_loss)

    def _note(self, **changes: Any) -> None:
        """Have the next `state.json` say so."""
        self._status = dataclasses.replace(self._status, **changes)

    def _write_state(self) -> None:
        self._note(best_val_loss=self.best_val_loss, pid=os.getpid(), updated=time.time())
        write_status(self.directory, self._status)
        self._status_written = time.monotonic()

    # --- where the directory is --------------------------------------------------------------

    def _find(self) -> bool:
        """Whether the directory is still anywhere; remark if it was renamed."""
        before, found = self.path, self.directory.find()
        if self.path != before:
            self._remark(f"{before}: was renamed; the run goes on in {self.path}")
        return found

    def _put_back(self) -> None:
        """Make the directory again if it was deleted, and put back the lock and `config.json` where they are missing.

        Raises `OSError`, or `UserError` if another process has the directory by now.
        """
        before = self.path
        if not self._find():
            self.directory.make_again()
            self._remark(f"{before}: was deleted, with all that was in it; the run goes on in {self.path}")
        elif not self.directory.has(CONFIG):
            self._remark(f"{self.path}: its files were deleted; the run goes on there without what was in them")
        if not self._lock.is_in_place(dir_fd=self.directory.descriptor):
            lost, self._lock = self._lock, RunLock(self.path, dir_fd=self.directory.descriptor)
            lost.release()
        if not self.directory.has(CONFIG):
            self.describe(self.record)
            self.fill(self)

    def _remark(self, text: str) -> None:
        self._remarks.append(text)
        with contextlib.suppress(OSError):
            self.log(text)
