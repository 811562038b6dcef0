"""Writes a run to disk and never stops it: where writing fails, a warning stays until saving works again."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable
from typing import Any, Literal

from engine.errors import UserError
from engine.probes.results import GradientFlow, Sample
from engine.runs.record import State
from engine.runs.writer import CHECKPOINT, RunWriter
from engine.session.baselines import Baselines
from engine.session.messages import Event, Notice, Saved
from engine.training.trainer import Trainer

RETRY_SECONDS = 10.0  # from a failed save to the next try


class Recorder:
    """Every method tries to write. `warning` says why that failed, until saving works again."""

    def __init__(self, run: RunWriter) -> None:
        self.run = run
        self.warning = ""
        self._notices: list[Notice] = []  # that saving began to fail, or works again, since the last `save`
        self._clock = time.monotonic
        self._failed_at = 0.0

    @property
    def retry_due(self) -> bool:
        """Whether a failed save should be tried again now."""
        return bool(self.warning) and self._clock() - self._failed_at >= RETRY_SECONDS

    def report(self, row: dict[str, Any]) -> None:
        """A line of metrics."""
        self._try(lambda: self.run.report(row))

    def add_sample(self, sample: Sample) -> None:
        """A finished sample."""
        self._try(lambda: self.run.add_sample(sample))

    def add_moment(self, flow: GradientFlow, trainer: Trainer) -> None:
        """A moment of the gradient flow, and the weights it belongs to."""
        self._try(lambda: self.run.add_gradient_flow(flow))
        self._try(lambda: self.run.keep_weights(trainer.steps, trainer.parameters.views))

    def save_best(self, trainer: Trainer, val_loss: float) -> None:
        """The weights with the lowest validation loss."""
        self._try(lambda: self.run.save_best(trainer.parameters.views, trainer.steps, val_loss))

    def save(self, trainer: Trainer, why: Literal["interval", "asked", "end"], session: dict[str, Any]) -> list[Event]:
        """Write a checkpoint with the session's own values; the events that say so, or why saving failed."""
        arrays, meta = trainer.state()
        events: list[Event] = []
        if not self._try(lambda: self.run.save(arrays, {**meta, "session": session})):
            self._failed_at = self._clock()
        else:
            events.append(Saved(trainer.steps, str(self.run.path / CHECKPOINT), why))
            if self.warning:
                self.warning = ""
                self._notices.append(Notice("saving works again; nothing is lost"))
        events += self._notices
        self._notices.clear()
        return events

    def keep_ladder(self, baselines: Baselines) -> None:
        """The losses of the n-gram models, once they are counted; in the log, why they could not be."""
        record = self.run.record
        if baselines.ladder != record.ladder:
            self._try(lambda: self.run.describe(dataclasses.replace(record, ladder=baselines.ladder)))
        if baselines.failure:
            self.log(baselines.failure)
            baselines.failure = ""

    def set_state(self, state: State, step: int, reason: str) -> None:
        """The run's state, for lists of runs."""
        self._try(lambda: self.run.set_state(state, step, reason))

    def forget_after(self, step: int) -> None:
        """Drop what was written after `step`."""
        self._try(lambda: self.run.forget_after(step))

    def log(self, text: str) -> str:
        """Add a traceback to the log; the log's path, empty where that failed."""
        place: list[str] = []
        self._try(lambda: place.append(str(self.run.log(text))))
        return "".join(place)

    def close(self) -> None:
        """Let go of the run's directory."""
        self._try(self.run.close)

    def reopen(self, step: int) -> None:
        """Write the run's directory again, after `close`; what was written there since, after `step`, is dropped.

        Raises `UserError` if another process writes it.
        """
        with contextlib.suppress(OSError):  # it was deleted: the next save tries again, and says so
            self.run.reopen(step)

    def _try(self, action: Callable[[], object]) -> bool:
        try:
            action()
        except (OSError, UserError) as error:
            reason = str(getattr(error, "strerror", None) or error)
            if not self.warning:
                self._failed_at = self._clock()
                self.warning = f"cannot save to {self.run.path}: {reason}; training goes on, saving is tried again"
                self._notices.append(Notice(self.warning, "warning"))
            return False
        return True
