"""What happens in a run, step after step, without any thread: the step, and what is due after it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

from engine.arrays import Array
from engine.probes.results import Sample
from engine.runs.history import HistoryKeeper
from engine.runs.record import RunInfo, State
from engine.session.answers import Answers
from engine.session.instruments import is_moment
from engine.session.messages import Event, MomentRecorded, SampleFinished, StateChanged, Validated
from engine.session.recorder import Recorder
from engine.training.trainer import Step, Trainer, train

REPORT_EVERY = 10  # steps to a line of metrics, and twice as many
DENSE = 100_000  # from this step on, four times from twice this step on, and so on
VALIDATE_EVERY = 500  # steps; and at some early ones, so that the curve starts soon
VALIDATE_EARLY = (50, 100, 250)
AUTOSAVE_SECONDS = 60.0
FIRST_SAVE_SECONDS = 5.0  # and then after twice as long each time, up to that
EXPLODED = 3.0  # times ln V: a smoothed loss above it is worse than guessing by far
UNWATCHED_SAMPLE = 200  # characters


def is_validation_due(step: int) -> bool:
    """Whether step number `step` is followed by a validation."""
    return step in VALIDATE_EARLY or step % (VALIDATE_EVERY << _rarer(step)) == 0


def is_report_due(step: int) -> bool:
    """Whether step number `step` closes a line of metrics.

    Lines grow rarer with the logarithm of the steps, or those of a day would take minutes to open again.
    """
    return step % (REPORT_EVERY << _rarer(step)) == 0


def _rarer(step: int) -> int:
    """How many times the distance between two lines has doubled."""
    return (step // DENSE).bit_length()


class Good(NamedTuple):
    """Weights to go back to, with what was known of them."""

    arrays: dict[str, Array]
    meta: dict[str, Any]
    last: Step | None
    val_loss: float | None


class Course:
    """A trainer on its way, with its curves, its records, and its state. Events go to `tell`."""

    def __init__(
        self,
        trainer: Trainer,
        info: RunInfo,
        recorder: Recorder,
        answers: Answers,
        history: HistoryKeeper,
        *,
        autosave_seconds: float = AUTOSAVE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.trainer, self.info, self.recorder, self.answers, self.history = trainer, info, recorder, answers, history
        self.state: State = "starting"
        self.reason = ""
        self.seconds = 0.0  # of training, pauses not counted
        self.last: Step | None = None
        self.val_loss: float | None = None
        self.best_val_loss: float | None = None
        self.speed = Speed()
        self.tell: Callable[[Event], None] = lambda event: None
        self.on_report: Callable[[dict[str, Any]], None] = lambda row: None
        self.is_watched: Callable[[], bool] = lambda: False
        self._autosave_seconds, self._clock = autosave_seconds, clock
        self._save_after = min(FIRST_SAVE_SECONDS, autosave_seconds)  # a young run has nothing else to go back to
        self._steps: Iterator[Step] = train(trainer, trainer.config.steps)
        self._reported: list[float] = []
        self._reach = 0.0
        self._counted_until: float | None = None
        self._good = self._here()
        self._saved_at = clock()

    def take_up(self, values: dict[str, Any]) -> None:
        """Go on from what `save` put into a checkpoint, the trainer being restored already."""
        self.seconds = float(values["seconds"])
        self.val_loss, self.best_val_loss = values["val_loss"], values["best_val_loss"]
        self._reported = list(values["reported"])
        self._good = self._here()

    def change(self, state: State, reason: str = "") -> None:
        """Be in another state, and let everybody know."""
        self.state, self.reason = state, reason
        self._counted_until = None
        self.recorder.set_state(state, self.trainer.steps, reason)
        self.tell(StateChanged(state, self.trainer.steps, reason))

    def advance(self) -> None:
        """One step and what is due after it; after the last one, the end."""
        if self.trainer.steps == 0:
            self._record_moment()
        # Between two steps of training everything counts, also looking and saving; pauses do not.
        started = self._clock() if self._counted_until is None else self._counted_until
        step = next(self._steps, None)
        if step is None:
            self.save("end")
            self.change("finished")
            return
        now = self._clock()
        elapsed = now - started
        self._counted_until = now if self.state == "training" else None
        self.seconds += elapsed
        self.last = step
        self.speed.add(self.trainer.config.batch * self.trainer.config.seq, elapsed)
        self.history.add(step.step, step.epoch, self.seconds, step.loss)
        self._reported.append(step.loss)
        trouble = self._trouble(step)
        if trouble:
            self._diverge(f"{trouble} at step {step.step:,}, learning rate {step.lr:.2g}")
            return
        last = step.step == self.trainer.config.steps
        val_loss = self._validate(step) if is_validation_due(step.step) or last else None
        report = is_report_due(step.step)
        if report or val_loss is not None or last:
            self._report(step, val_loss)
        if report:
            self._reported.clear()  # an end in between reports too, but a longer run would go on counting
        if is_moment(step.step):
            self._record_moment()
        if self._clock() - self._saved_at >= self._save_after or self.recorder.retry_due:
            self.save("interval")
            self._save_after = min(2 * self._save_after, self._autosave_seconds)

    def save(self, why: Literal["interval", "asked", "best", "end"]) -> None:
        """A checkpoint of everything."""
        self._saved_at = self._clock()
        values = {
            "seconds": self.seconds,
            "val_loss": self.val_loss,
            "best_val_loss": self.best_val_loss,
            "reported": self._reported,
        }
        event = self.recorder.save(self.trainer, why, values)
        if event is not None:
            self.tell(event)
        for notice in self.recorder.notices():
            self.tell(notice)

    def roll_back(self, lr_factor: float) -> None:
        """Train on from the good weights, which `_diverge` has put back, more slowly."""
        self.trainer.lr *= lr_factor
        self.history.forget_after(self.trainer.steps)
        self.recorder.forget_after(self.trainer.steps)
        self.answers.forget()
        self.answers.samples.restart(self.trainer.steps, self.val_loss)
        self._steps = train(self.trainer, self.trainer.config.steps)
        self.change("training")

    def close(self) -> None:
        """Let go of the run's directory, and of the processes that share the work."""
        self.recorder.close()
        self.trainer.close()

    def finish_sample(self, sample: Sample) -> None:
        """Keep a complete sample, and show it."""
        self.recorder.add_sample(sample)
        self.tell(SampleFinished(sample))

    def _trouble(self, step: Step) -> str:
        if not math.isfinite(step.loss):
            return "the loss is not a number any more"
        if not math.isfinite(step.grad_norm):
            return "the gradient is not a number any more"
        if step.step > REPORT_EVERY and self._is_exploded(self.history.smoothed):
            return f"the loss is {self.history.smoothed:.3g}, far above guessing ({self._guessing:.1f})"
        return ""

    @property
    def _guessing(self) -> float:
        return math.log(max(2, self.trainer.parameters.architecture.vocabulary_size))

    def _is_exploded(self, loss: float) -> bool:
        return not loss <= EXPLODED * self._guessing

    def _here(self) -> Good:
        return Good(*self.trainer.state(), self.last, self.val_loss)

    def _note_good(self, loss: float) -> None:
        """These weights are the ones to go back to, unless an explosion has begun that nobody has noticed yet."""
        if not self._is_exploded(loss):
            self._good = self._here()

    def _diverge(self, reason: str) -> None:
        self._reported.clear()
        too_high = self.trainer.lr
        self.trainer.restore(self._good.arrays, self._good.meta)
        self.last, self.val_loss = self._good.last, self._good.val_loss
        self.answers.forget()
        self.answers.measure_clamps(self.trainer, self.val_loss)
        self.trainer.lr = too_high  # what a way back lowers, each time it is taken
        self.save("end")
        self.change("diverged", f"{reason}; back at the good weights of step {self.trainer.steps:,}")

    def _validate(self, step: Step) -> float | None:
        loss = self.trainer.validate()
        if loss is None:
            self._note_good(step.loss)
            return None
        self.val_loss = loss
        self.answers.measure_clamps(self.trainer, loss)
        best = math.isfinite(loss) and (self.best_val_loss is None or loss < self.best_val_loss)
        self._reach = self.answers.reach()
        self.history.add_validation(step.step, step.epoch, self.seconds, loss)
        self.history.add_reach(step.step, self._reach)
        self.tell(Validated(step.step, loss, best))
        if best:
            self.best_val_loss = loss
            self.recorder.save_best(self.trainer, loss)
        self._note_good(loss)
        if not self.is_watched():
            self.finish_sample(self.answers.samples.whole(UNWATCHED_SAMPLE, step.step, loss))
        return loss

    def _report(self, step: Step, val_loss: float | None) -> None:
        row: dict[str, Any] = {
            "step": step.step,
            "epoch": round(step.epoch, 4),
            "loss": sum(self._reported) / len(self._reported),
            "lr": step.lr,
            "grad_norm": step.grad_norm,
            "chars_per_second": round(self.speed.per_second),
            "time": round(self.seconds, 3),
        }
        if val_loss is not None:
            row |= {"val_loss": val_loss, "reach": self._reach}
        self.recorder.report(row)
        self.on_report(row)

    def _record_moment(self) -> None:
        flow = self.answers.moment(self.trainer.steps)
        self.recorder.add_moment(flow, self.trainer)
        self.tell(MomentRecorded(flow))


class Speed:
    """Characters per second over the last steps: an exponential mean with a horizon of some 2 s."""

    def __init__(self, horizon: float = 2.0) -> None:
        self._horizon = horizon
        self._characters = 0.0
        self._seconds = 0.0

    @property
    def per_second(self) -> float:
        """The rate; 0 before the first step."""
        return self._characters / self._seconds if self._seconds else 0.0

    def add(self, characters: int, seconds: float) -> None:
        """One more step."""
        decay = math.exp(-seconds / self._horizon)
        self._characters = decay * self._characters + characters
        self._seconds = decay * self._seconds + seconds
