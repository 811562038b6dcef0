"""One run and the thread it lives in: steps, what is due between them, commands in, snapshots and events out.

train() ──step──▶ Session ──snapshot──▶ a mailbox for each link
   ▲                 │ ────event──────▶ a queue for each link, and the run's directory
   └── between steps ┴──── commands ◀── every link
"""

from __future__ import annotations

import math
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Literal

from engine.answers import Answers
from engine.history import HistoryKeeper
from engine.instruments import is_moment
from engine.links import LocalLink
from engine.messages import (
    Clamp,
    Command,
    Event,
    Failed,
    MomentRecorded,
    Pause,
    Resume,
    RollBack,
    RunInfo,
    Sample,
    SampleFinished,
    Save,
    SetLearningRate,
    SetSampling,
    SetView,
    Snapshot,
    State,
    StateChanged,
    StepOnce,
    Stop,
    Validated,
)
from engine.parameters import Array
from engine.recorder import Recorder
from engine.training import Step, Trainer, train

REPORT_EVERY = 10  # steps to a line of metrics
VALIDATE_EVERY = 500  # steps; and at some early ones, so that the curve starts soon
VALIDATE_EARLY = (50, 100, 250)
AUTOSAVE_SECONDS = 60.0
EXPLODED = 3.0  # times ln V: a smoothed loss above it is worse than guessing by far
WATCHED_SECONDS = 2.0  # a link that took a snapshot so recently is watching the sample grow
UNWATCHED_SAMPLE = 200  # characters


class Session:
    """Owns a trainer. `run` is the loop: call it for a headless run, or `start` it in a thread of its own."""

    def __init__(
        self,
        trainer: Trainer,
        info: RunInfo,
        recorder: Recorder,
        answers: Answers,
        history: HistoryKeeper | None = None,
        *,
        autosave_seconds: float = AUTOSAVE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.trainer, self.info, self.recorder, self.answers = trainer, info, recorder, answers
        self.history = history or HistoryKeeper()
        self.state: State = "starting"
        self.reason = ""
        self.seconds = 0.0  # of training, pauses not counted
        self.val_loss: float | None = None
        self.best_val_loss: float | None = None
        self.on_report: Callable[[dict[str, Any]], None] = lambda row: None
        self._autosave_seconds, self._clock = autosave_seconds, clock
        self._steps: Iterator[Step] = train(trainer, trainer.config.steps)
        self._last: Step | None = None
        self._reported: list[float] = []
        self._reach = 0.0
        self._speed = Speed()
        self._good: tuple[dict[str, Array], dict[str, Any]] = ({}, {})
        self._saved_at = clock()
        self._grown_at = clock()
        self._single_steps = 0
        self._stop: Stop | None = None
        self._links: tuple[LocalLink, ...] = ()
        self._commands: deque[tuple[LocalLink | None, Command]] = deque()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Save the state before the first step, so that there is a checkpoint from the beginning."""
        self._save("interval")

    def take_up(self, values: dict[str, Any]) -> None:
        """Go on from the session's own values in a checkpoint."""
        self.seconds = float(values["seconds"])
        self.val_loss, self.best_val_loss = values["val_loss"], values["best_val_loss"]
        self._reported = list(values["reported"])

    # --- from any thread ---------------------------------------------------------------------

    def start(self) -> None:
        """Run in a thread of its own until a `Stop` arrives; also after the last step, for those who look."""
        self._thread = threading.Thread(target=self.run, kwargs={"linger": True}, name="trainer", daemon=True)
        self._thread.start()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the thread's end; whether it came in time."""
        if self._thread is not None:
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()

    def connect(self) -> LocalLink:
        """A new viewer's end."""
        link = LocalLink(self.info, self._enqueue, self._drop)
        self._links = (*self._links, link)
        self._wake.set()
        return link

    def send(self, command: Command) -> None:
        """A command from nobody in particular, as a signal handler."""
        self._commands.append((None, command))
        self._wake.set()

    def _enqueue(self, link: LocalLink, command: Command) -> None:
        self._commands.append((link, command))
        self._wake.set()

    def _drop(self, link: LocalLink) -> None:
        self._links = tuple(other for other in self._links if other is not link)

    # --- the loop ----------------------------------------------------------------------------

    def run(self, *, linger: bool = False) -> State:
        """Train until the last step, a `Stop`, or trouble; `linger` serves viewers on until a `Stop`."""
        self._good = self.trainer.state()
        self._change("training")
        while self._stop is None and (linger or self.state in ("training", "paused")):
            try:
                self._obey()
                if self.state == "training" or self._single_steps:
                    self._advance()
                    self._serve()
                else:
                    self._idle()
            except Exception as error:
                self._fail(error)
        if self._stop is not None and self.state in ("training", "paused"):
            if self._stop.save:
                self._save("end")
            self._change("stopped")
        self.recorder.close()
        return self.state

    def _idle(self) -> None:
        self._serve()
        self._wake.wait(0.05)
        self._wake.clear()

    def _fail(self, error: Exception) -> None:
        if self.state == "failed":  # also answering viewers raises: leave them the curves they have
            self._links = ()
        text = f"{type(error).__name__}: {error}"
        self._tell(Failed(self.trainer.steps, text, self.recorder.log(traceback.format_exc())))
        self._single_steps = 0
        self._change("failed", text)

    def _advance(self) -> None:
        if self.trainer.steps == 0:
            self._record_moment()
        started = self._clock()
        step = next(self._steps, None)
        if step is None:
            self._finish()
            return
        self._single_steps = max(0, self._single_steps - 1)
        elapsed = self._clock() - started
        self.seconds += elapsed
        self._last = step
        self._speed.add(self.trainer.config.batch * self.trainer.config.seq, elapsed)
        self.history.add(step.step, step.epoch, self.seconds, step.loss)
        self._reported.append(step.loss)
        if self._in_trouble(step):
            return
        last = step.step == self.trainer.config.steps
        val_loss = self._validate(step) if is_validation_due(step.step) or last else None
        if step.step % REPORT_EVERY == 0 or last or val_loss is not None:
            self._report(step, val_loss)
        if step.step % REPORT_EVERY == 0:
            self._reported.clear()  # an end in between reports, but a longer run would go on counting
        if is_moment(step.step):
            self._record_moment()
        if self._clock() - self._saved_at >= self._autosave_seconds or self.recorder.retry_due:
            self._save("interval")

    def _in_trouble(self, step: Step) -> bool:
        vocabulary_size = self.trainer.parameters.architecture.vocabulary_size
        reason = ""
        if not (math.isfinite(step.loss) and math.isfinite(step.grad_norm)):
            what = "the loss" if not math.isfinite(step.loss) else "the gradient"
            reason = f"{what} is not a number any more"
        elif step.step > REPORT_EVERY and self.history.smoothed > EXPLODED * math.log(max(2, vocabulary_size)):
            reason = f"the loss is {self.history.smoothed:.1f}, far above guessing ({math.log(vocabulary_size):.1f})"
        if reason:
            self._finish_diverged(f"{reason} at step {step.step:,}, learning rate {step.lr:.2g}")
        return bool(reason)

    def _finish(self) -> None:
        self._save("end")
        self._change("finished")

    def _finish_diverged(self, reason: str) -> None:
        self._reported.clear()
        self._single_steps = 0
        self.trainer.restore(*self._good)
        self._save("end")
        self._change("diverged", f"{reason}; back at the good weights of step {self.trainer.steps:,}")

    def _validate(self, step: Step) -> float | None:
        loss = self.trainer.validate()
        if loss is None:
            return None
        self.val_loss = loss
        best = self.best_val_loss is None or loss < self.best_val_loss
        self.history.add_validation(step.step, step.epoch, self.seconds, loss)
        self._tell(Validated(step.step, loss, best))
        self._reach = self.answers.reach()
        self.history.add_reach(step.step, self._reach)
        if best:
            self.best_val_loss = loss
            self.recorder.save_best(self.trainer, loss)
        self._good = self.trainer.state()
        if not self._watched():
            self._finish_sample(self.answers.samples.whole(UNWATCHED_SAMPLE, step.step, loss))
        return loss

    def _report(self, step: Step, val_loss: float | None) -> None:
        row: dict[str, Any] = {
            "step": step.step,
            "epoch": round(step.epoch, 4),
            "loss": sum(self._reported) / len(self._reported),
            "lr": step.lr,
            "grad_norm": step.grad_norm,
            "chars_per_second": round(self._speed.per_second),
            "time": round(self.seconds, 3),
        }
        if val_loss is not None:
            row |= {"val_loss": val_loss, "reach": self._reach}
        self.recorder.report(row)
        self.on_report(row)

    def _record_moment(self) -> None:
        flow = self.answers.moment(self.trainer.steps)
        self.recorder.add_moment(flow, self.trainer)
        self._tell(MomentRecorded(flow))

    def _finish_sample(self, sample: Sample) -> None:
        self.recorder.add_sample(sample)
        self._tell(SampleFinished(sample))

    def _save(self, why: Literal["interval", "asked", "best", "end"]) -> None:
        self._saved_at = self._clock()
        values = {
            "seconds": self.seconds,
            "val_loss": self.val_loss,
            "best_val_loss": self.best_val_loss,
            "reported": self._reported,
        }
        event = self.recorder.save(self.trainer, why, values)
        if event is not None:
            self._tell(event)
        for notice in self.recorder.notices():
            self._tell(notice)

    # --- commands ----------------------------------------------------------------------------

    def _obey(self) -> None:
        while self._commands:
            link, command = self._commands.popleft()
            self._apply(link, command)

    def _apply(self, link: LocalLink | None, command: Command) -> None:
        match command:
            case Pause() if self.state == "training":
                self._change("paused")
            case Resume() if self.state == "paused":
                self._change("training")
            case StepOnce() if self.state == "paused":
                self._single_steps += 1
            case SetLearningRate(lr) if math.isfinite(lr) and lr > 0:
                self.trainer.lr = lr
            case SetSampling():
                self.answers.samples.change(command)
            case SetView(view) if link is not None:
                link.view = view
            case Clamp():
                self.answers.clamp(command, self.trainer)
            case RollBack(lr_factor) if self.state == "diverged" and 0 < lr_factor <= 1:
                self._roll_back(lr_factor)
            case Save():
                self._save("asked")
            case Stop():
                self._stop = command
            case _:
                return
        for other in self._links:
            other.urgent = True

    def _roll_back(self, lr_factor: float) -> None:
        self.trainer.lr *= lr_factor
        self.history.forget_after(self.trainer.steps)
        self.recorder.forget_after(self.trainer.steps)
        self._steps = train(self.trainer, self.trainer.config.steps)
        self._change("training")

    # --- viewers -----------------------------------------------------------------------------

    def _change(self, state: State, reason: str = "") -> None:
        self.state, self.reason = state, reason
        self.recorder.set_state(state, self.trainer.steps, reason)
        self._tell(StateChanged(state, self.trainer.steps, reason))
        for link in self._links:
            link.urgent = True

    def _tell(self, event: Event) -> None:
        for link in self._links:
            link.tell(event)

    def _watched(self) -> bool:
        return bool(self._links) and self._clock() - self._grown_at < WATCHED_SECONDS

    def _serve(self) -> None:
        now = self._clock()
        for link in self._links:
            if link.wants(now):
                if self.state == "training" and "samples" in link.view.visible:
                    self._grow_sample(now)
                link.offer(self._snapshot(link), now)

    def _grow_sample(self, now: float) -> None:
        finished = self.answers.samples.grow(now - self._grown_at, self.trainer.steps, self.val_loss)
        self._grown_at = now
        if finished is not None:
            self._finish_sample(finished)

    def _snapshot(self, link: LocalLink) -> Snapshot:
        last = self._last
        visible = link.view.visible
        gradients, connectivity, cells = self.answers.answer(link.view, self.trainer.steps, urgent=link.urgent)
        return Snapshot(
            state=self.state,
            reason=self.reason,
            step=self.trainer.steps,
            steps=self.trainer.config.steps,
            epoch=self.trainer.epoch,
            loss=last.loss if last else math.nan,
            smoothed=self.history.smoothed,
            val_loss=self.val_loss,
            best_val_loss=self.best_val_loss,
            lr=last.lr if last and self.state == "training" else self.trainer.lr,
            grad_norm=last.grad_norm if last else math.nan,
            chars_per_second=self._speed.per_second,
            seconds=self.seconds,
            history=self.history.history(),
            warning=self.recorder.warning,
            sample=self.answers.samples.current() if "samples" in visible else None,
            gradients=gradients,
            connectivity=connectivity,
            cells=cells,
            probe_share=self.answers.share,
        )


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


def is_validation_due(step: int) -> bool:
    """Whether step number `step` is followed by a validation."""
    return step in VALIDATE_EARLY or step % VALIDATE_EVERY == 0
