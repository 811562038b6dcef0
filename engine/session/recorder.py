"""Keeps a run on disk without ever stopping it: where the disk refuses, a warning stays until it takes again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

from engine.errors import UserError
from engine.probes.results import GradientFlow, Sample
from engine.runs.record import State
from engine.runs.writer import CHECKPOINT, RunWriter
from engine.session.messages import Notice, Saved
from engine.training.trainer import Trainer

RETRY_SECONDS = 10.0  # after a refusal the next try waits so long


class Recorder:
    """Every method tries, and remembers in `warning` why it could not. `notices` tells of changes, once each."""

    def __init__(self, run: RunWriter, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.run = run
        self.warning = ""
        self._clock = clock
        self._notices: list[Notice] = []
        self._refused_at = 0.0

    @property
    def retry_due(self) -> bool:
        """Whether a refused saving should be tried again now."""
        return bool(self.warning) and self._clock() - self._refused_at >= RETRY_SECONDS

    def notices(self) -> list[Notice]:
        """What has changed since the last call."""
        taken, self._notices = self._notices, []
        return taken

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

    def save(
        self, trainer: Trainer, why: Literal["interval", "asked", "best", "end"], session: dict[str, Any]
    ) -> Saved | None:
        """A checkpoint, with what the session itself needs to go on; the event that says so, if it succeeded."""
        arrays, meta = trainer.state()
        failed = not self._try(lambda: self.run.save(arrays, {**meta, "session": session}))
        if failed:
            self._refused_at = self._clock()
            return None
        if self.warning:
            self.warning = ""
            self._notices.append(Notice("saving works again; nothing is lost"))
        return Saved(trainer.steps, str(self.run.path / CHECKPOINT), why)

    def set_state(self, state: State, step: int, reason: str) -> None:
        """What the run is doing, for those who list runs."""
        self._try(lambda: self.run.set_state(state, step, reason))

    def forget_after(self, step: int) -> None:
        """Go back to `step`."""
        self._try(lambda: self.run.forget_after(step))

    def log(self, text: str) -> str:
        """Add a traceback to the log; where that is, or an empty string."""
        place: list[str] = []
        self._try(lambda: place.append(str(self.run.log(text))))
        return "".join(place)

    def close(self) -> None:
        """Let go of the run's directory."""
        self._try(self.run.close)

    def _try(self, action: Callable[[], object]) -> bool:
        try:
            action()
        except (OSError, UserError) as error:
            reason = str(getattr(error, "strerror", None) or error)
            if not self.warning:
                self._refused_at = self._clock()
                self.warning = f"cannot save to {self.run.path}: {reason}; training goes on, saving is tried again"
                self._notices.append(Notice(self.warning, "warning"))
            return False
        return True
