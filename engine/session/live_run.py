"""A run that is alive: its parts, the state it is in, and its checkpoint."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import traceback
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from engine.probes.results import Sample
from engine.runs.history import HistoryKeeper
from engine.runs.record import RunInfo, State
from engine.session.baselines import Baselines
from engine.session.clock import RunningClock
from engine.session.held_units import HeldUnits
from engine.session.instruments import Instruments
from engine.session.messages import Event, Failed, Plateau, SampleFinished, SetSampling, StateChanged
from engine.session.moments import Moments
from engine.session.pace import PLATEAU, is_moment
from engine.session.process_figures import ProcessFigures
from engine.session.progress import Progress
from engine.session.recorder import Recorder
from engine.session.sample_stream import SampleStream
from engine.session.saved import SavedSession
from engine.session.validations import Validations
from engine.text.stretches import StretchLosses
from engine.training.training import Step, Training

Report = Callable[[dict[str, Any]], None]  # takes a line of metrics
SAVED_FIELDS = 5  # of the last `Step`; whether that one was clipped is not asked any more


class RunParts(NamedTuple):
    """What a live run is put together from."""

    trainer: Training
    info: RunInfo
    recorder: Recorder
    instruments: Instruments
    samples: SampleStream
    moments: Moments
    history: HistoryKeeper
    baselines: Baselines
    saved: SavedSession | None = None  # the run's own values from the checkpoint that it goes on from
    as_it_was: bool = False  # a run that was paused, or had diverged, goes on as such; otherwise it trains


class LiveRun:
    """A trainer with its curves, its records, its instruments, and the state that the run is in.

    `emit` takes every event, `report` every line of metrics. The trainer of a resumed run has been restored already.
    """

    def __init__(self, parts: RunParts, emit: Callable[[Event], None], report: Report) -> None:
        self.trainer = trainer = parts.trainer
        self.recorder, self.history, self.baselines = parts.recorder, parts.history, parts.baselines
        self.instruments, self.samples, self.moments = parts.instruments, parts.samples, parts.moments
        self._info = parts.info
        self.emit, self._report_row = emit, report
        self.state: State = "starting"
        self.reason = ""
        self._announced: tuple[State, str] = "starting", ""  # what was last recorded, and emitted
        self.last: Step | None = None
        self.validations = Validations()
        self.progress = Progress(trainer.config.batch * trainer.config.seq, trainer.is_clipping)
        self.held_units = HeldUnits(trainer, parts.instruments, parts.samples)
        self.figures = ProcessFigures(lambda: trainer.worker_pids)
        self.running_clock = RunningClock()  # a suspended process trains nothing
        self.clock: Callable[[], float] = self.running_clock
        self.counted_until: float | None = None  # the time up to which the training's time is counted; None in a pause
        if parts.saved is not None:
            self._restore(parts.saved, as_it_was=parts.as_it_was)

    def _restore(self, saved: SavedSession, *, as_it_was: bool) -> None:
        self.progress.seconds, self.progress.losses = saved.seconds, [*saved.reported]
        self.progress.clipped.since_report = saved.clipped
        self.validations = Validations(
            saved.val_loss, saved.val_loss_se, saved.best_val_loss, saved.regret, saved.regret_se, saved.stale
        )
        self.samples.use(saved.sampling)
        if (prompt := self.recorder.prompts.sample) is not None:  # it was changed after the run had ended
            self.samples.obey(SetSampling(prompt=prompt))
        self.held_units.restore(saved.clamps, saved.clamp_effect)
        self.last = None if saved.last is None else Step(*saved.last)
        if as_it_was and saved.state in ("paused", "diverged"):
            self.state, self.reason = saved.state, saved.reason

    @property
    def info(self) -> RunInfo:
        """The first message to a viewer; the run's directory may have been renamed since the beginning."""
        path = self.recorder.run.path
        prompt = self.recorder.prompts.typed
        return dataclasses.replace(self._info, name=path.name, directory=str(path), prompt=prompt)

    def change(self, state: State, reason: str = "") -> None:
        """Go into another state; record it and emit an event."""
        self.enter(state, reason)
        self.announce()

    def enter(self, state: State, reason: str = "") -> None:
        """Go into another state; `announce` makes it known."""
        self.state, self.reason = state, reason
        self.counted_until = None

    @property
    def is_unannounced(self) -> bool:
        """Whether the run has gone into a state that `announce` has not made known yet."""
        return self._announced != (self.state, self.reason)

    def announce(self) -> None:
        """Record the state, and emit an event."""
        self._announced = self.state, self.reason
        self.recorder.set_state(self.state, self.trainer.steps, self.reason)
        self.emit(StateChanged(self.state, self.trainer.steps, self.reason))

    def write_checkpoint(self, why: Literal["interval", "asked", "end"]) -> None:
        """Write a checkpoint of everything."""
        validations = self.validations
        values = SavedSession(
            seconds=self.progress.seconds,
            val_loss=validations.loss,
            val_loss_se=validations.loss_se,
            best_val_loss=validations.best,
            regret=validations.regret,
            regret_se=validations.regret_se,
            stale=validations.stale,
            reported=tuple(self.progress.losses),
            clipped=self.progress.clipped.since_report,
            sampling=self.samples.settings,
            clamps=tuple(self.held_units.by_layer.items()),
            clamp_effect=self.held_units.effect,
            last=None if self.last is None else dataclasses.astuple(self.last)[:SAVED_FIELDS],
            state=self.state,
            reason=self.reason,
        )
        self.emit_all(self.recorder.save(self.trainer, why, dataclasses.asdict(values)))

    def emit_all(self, events: list[Event]) -> None:
        """Emit events of the recorder's. What was counted meanwhile of n-grams is recorded, too."""
        for event in events:
            self.emit(event)
        self.recorder.keep_ladder(self.baselines)

    def fail(self, error: Exception) -> None:
        """End the run after `error`, which is being handled. Nothing is saved: half a step may have been made."""
        text = (
            f"{type(error).__name__}: {error}"
            if str(error) or not isinstance(error, MemoryError)
            else "no memory is left"
        )
        log = ""
        with contextlib.suppress(MemoryError):  # `error` itself may be one
            log = self.recorder.log(traceback.format_exc())
        self.emit(Failed(self.trainer.steps, text, log))
        self.change("failed", f"{text} (log: {log or 'none could be written'})")
        self.trainer.close()

    def note_validation(self, step: Step, losses: StretchLosses) -> dict[str, float | None]:
        """Measure what belongs to a validation, and record all; the fields of a line of metrics."""
        loss = losses.mean
        regret = self.baselines.regret(losses)
        is_best = self.validations.add(losses, regret)
        self.held_units.measure(loss)
        reach = self.instruments.reach()
        measured: dict[str, float | None] = {
            "val_loss": loss,
            "val_loss_se": losses.standard_error,
            "reach": reach.mean,
            "reach_se": reach.standard_error,
        }
        # In a small network λ₁ takes as long as many steps: it is measured ever more rarely, as weights are kept, and
        # in somebody else's loop, which it would hold up, only for a viewer who asks for it.
        is_due = is_moment(step.step) or step.step == self.trainer.config.steps
        if self.trainer.is_ours and is_due and math.isfinite(lambda1 := self.instruments.lambda1()):
            measured["lambda1"] = lambda1
            self.history.add_lambda1(step.step, lambda1)
        if regret:
            measured |= {"regret": regret.mean, "regret_se": regret.standard_error}
        self.history.add_validation(step.step, step.epoch, self.progress.seconds, loss)
        self.history.add_reach(step.step, reach.mean, reach.standard_error)
        if is_best:
            self.recorder.save_best(self.trainer, loss)
        elif self.validations.stale == PLATEAU and self.validations.best is not None:
            self.emit(Plateau(step.step, PLATEAU, self.validations.best))
        return measured

    def report(self, row: dict[str, Any]) -> None:
        """Record a line of metrics."""
        self.recorder.report(row)
        self._report_row(row)
        self.emit_all(self.recorder.news())

    def finish_sample(self, sample: Sample) -> None:
        """Record a complete sample, and emit it."""
        self.recorder.add_sample(sample)
        self.emit(SampleFinished(sample))

    def take_back(self) -> None:
        """Write the run's directory again, after `release`. Raises `UserError` if another process does."""
        self.recorder.reopen(self.trainer.steps)

    def close(self) -> None:
        """Let go of the run's directory, and of the processes that share the work."""
        self.recorder.close()
        for listener in self.recorder.listeners:
            listener.close()
        self.trainer.close()
