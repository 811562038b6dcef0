"""Writes a run to disk and never stops it: where writing fails, a warning stays until saving works again."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable
from typing import Any, Literal, Protocol

from engine.errors import UserError
from engine.printable import printable_lines
from engine.probes.results import GradientFlow, Sample
from engine.runs import kept_weights
from engine.runs.directory import RunDirectory
from engine.runs.prompts import Prompts, read_prompts, write_prompts
from engine.runs.record import State
from engine.runs.status import UNSAVED
from engine.runs.writer import CHECKPOINT, RunWriter
from engine.session.baselines import Baselines
from engine.session.messages import Event, Notice, Saved
from engine.session.pace import is_sample_kept
from engine.training.training import Training

RETRY_SECONDS = 10.0  # from a failed save to the next try
LAST_RETRY_SECONDS = 0.5  # the same, of a save at the end of a run


class Listener(Protocol):
    """Hears of what is recorded. No method may take time: training waits for it."""

    def report(self, row: dict[str, Any]) -> None: ...
    def sample(self, sample: Sample) -> None: ...
    def gradients(self, flow: GradientFlow) -> None: ...
    def close(self) -> None: ...


class Recorder:
    """Every method tries to write. `warning` says why that failed, until saving works again."""

    def __init__(self, run: RunWriter, keep_text: Callable[[RunDirectory], bool] = lambda directory: False) -> None:
        self.run = run
        self._keep_text = keep_text  # keeps a text that has changed in the run's directory; whether it did
        self._has_kept_text = True  # or has not had to
        self.listeners: list[Listener] = []
        self.warning = ""
        self.remark = ""  # what happened last to the run's directory
        self.cause = ""  # of the warning
        self._notices: list[Notice] = []  # since the last `news`
        self._sample_step: int | None = None  # of the last sample in the log
        self._clock = time.monotonic
        self._failed_at = 0.0
        self.moments: tuple[int, ...] = ()  # the steps whose weights are kept on disk
        self._look_at_moments()
        self.prompts = self._kept_prompts = read_prompts(run.path)  # what viewers typed last; each save keeps it

    @property
    def retry_due(self) -> bool:
        """Whether a failed save should be tried again now."""
        return bool(self.warning) and self._clock() - self._failed_at >= RETRY_SECONDS

    def report(self, row: dict[str, Any]) -> None:
        """A line of metrics."""
        for listener in self.listeners:
            listener.report(row)
        self._try(lambda: self.run.report(row))

    def add_sample(self, sample: Sample) -> None:
        """A finished sample, if the log has room for one at its step: see `is_sample_kept`."""
        if is_sample_kept(sample.step, self._sample_step):
            self._sample_step = sample.step
            for listener in self.listeners:
                listener.sample(sample)
            self._try(lambda: self.run.add_sample(sample))

    def add_moment(self, trainer: Training, flow: GradientFlow | None = None, *, marked: bool = False) -> None:
        """Keep the present weights, the `marked` ones for good; lists of runs say the norms of the gradient `flow`."""
        if flow is not None:
            self.run.note_gradient_norms(flow.norms)
            for listener in self.listeners:
                listener.gradients(flow)
        self._try(lambda: self.run.keep_weights(trainer.steps, trainer.parameters.views, marked=marked))
        self._look_at_moments()

    def mark_moment(self, trainer: Training) -> list[Event]:
        """Keep the present weights for good, as a viewer asked; the events that say so, or why not."""
        if len(kept_weights.marked_steps(self.run.path)) >= kept_weights.MOST_MARKED:
            self._notices.append(Notice(f"{kept_weights.MOST_MARKED} moments are marked; no more can be", "warning"))
        else:
            self.add_moment(trainer, marked=True)
            if not self.warning:
                self._notices.append(Notice(f"step {trainer.steps:,} is marked: its weights stay as long as the run"))
        return self.news()

    def _look_at_moments(self) -> None:
        self.moments = tuple(kept_weights.steps(self.run.path))

    def save_best(self, trainer: Training, val_loss: float) -> None:
        """The weights with the lowest validation loss."""
        self._try(lambda: self.run.save_best(trainer.parameters.views, trainer.steps, val_loss))

    def save(self, trainer: Training, why: Literal["interval", "asked", "end"], session: dict[str, Any]) -> list[Event]:
        """Write a checkpoint with the session's own values; the events that say so, or why saving failed."""
        events: list[Event] = []

        def write() -> None:
            arrays, meta = trainer.state()
            self.run.save(arrays, {**meta, "session": session})

        saved = self._try(write)
        if not saved and why == "end":  # nothing follows that would try again
            time.sleep(LAST_RETRY_SECONDS)
            saved = self._try(write)
        if not saved:
            self._failed_at = self._clock()
        else:
            events.append(Saved(trainer.steps, str(self.run.path / CHECKPOINT), why))
            self.keep_text()  # now that the directory is there, even if it was deleted meanwhile
            self._look_at_moments()  # some may have waited for this save
            was_deleted = self._pass_on_remarks()
            if was_deleted:
                self._kept_prompts = Prompts()
            self._keep_prompts()
            if self.warning:
                self.warning = ""
                self._say(Notice(f"saving works again{'' if was_deleted else '; nothing is lost'}"))
        return events + self.news()

    def news(self) -> list[Event]:
        """Notices for all viewers: that saving fails or works again, and what has happened to the run's directory."""
        self._pass_on_remarks()
        notices, self._notices = self._notices, []
        return list(notices)

    def _pass_on_remarks(self) -> bool:
        """Make notices of what the writer remarked about the directory; return whether there was anything."""
        remarks = self.run.remarks()
        self._notices += [Notice(remark, "warning") for remark in remarks]
        self.remark = "".join(remarks[-1:]) or self.remark
        return bool(remarks)

    def keep_text(self) -> None:
        """Keep the run's text in its directory, if it has changed where it lies. Needed before a run is handed over."""
        try:
            if self._keep_text(self.run.directory):
                self._notices.append(Notice("the text has changed since it was read; the run keeps it as it was"))
            self._has_kept_text = True
        except OSError as error:
            if self._has_kept_text:
                sentence = f"cannot keep the text, which has changed: {error.strerror}; it is tried again at each save"
                self._notices.append(Notice(sentence, "warning"))
            self._has_kept_text = False

    def _keep_prompts(self) -> None:
        """Keep what viewers typed last, if it has changed."""
        if self.prompts != self._kept_prompts:
            with contextlib.suppress(OSError):  # the run is worth no less without it
                write_prompts(self.run.directory, self.prompts)
                self._kept_prompts = self.prompts

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
        if self.warning and state in ("finished", "stopped"):
            reason = f"{reason}; " * bool(reason) + f"{UNSAVED}: {self.cause}"
        self._try(lambda: self.run.set_state(state, step, reason))

    def forget_after(self, step: int) -> None:
        """Drop what was written after `step`."""
        if self._sample_step is not None and self._sample_step > step:
            self._sample_step = None
        self._try(lambda: self.run.forget_after(step))
        self._look_at_moments()

    def log(self, text: str) -> str:
        """Add a traceback to the log; the log's path, empty where that failed."""
        place: list[str] = []
        self._try(lambda: place.append(str(self.run.log(printable_lines(text)))))
        return "".join(place)

    def close(self) -> None:
        """Let go of the run's directory."""
        self._keep_prompts()
        self._try(self.run.close)

    def reopen(self, step: int) -> None:
        """Write the run's directory again, after `close`; what was written there since, after `step`, is dropped.

        Raises `UserError` if another process writes it.
        """
        with contextlib.suppress(OSError):  # it was deleted: the next save tries again, and says so
            self.run.reopen(step)
            self.prompts = self._kept_prompts = read_prompts(self.run.path)

    def _try(self, action: Callable[[], object]) -> bool:
        try:
            action()
        except (OSError, UserError, MemoryError) as error:
            self.cause = str(getattr(error, "strerror", None) or error) or "no memory is left"
            if not self.warning:
                self._failed_at = self._clock()
                place = self.run.path
                self.warning = f"cannot save to {place}: {self.cause}; training goes on, saving is tried again"
                self._say(Notice(self.warning, "warning"))
            return False
        return True

    def _say(self, notice: Notice) -> None:
        """Have a notice in `news`, and in the run's log if there is room."""
        self._notices.append(notice)
        with contextlib.suppress(OSError):
            self.run.log(notice.text)
