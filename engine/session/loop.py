"""One run, without any thread: commands go in, steps are made, and snapshots show where it stands.

    train() ──step──▶ advance() ──▶ metrics, validations, samples, checkpoints, events
                                      ▲
    commands ──▶ apply() … settle() ──┴─▶ take_snapshot(loop, view) ──▶ what one viewer sees

`Session` calls these in turn; between two steps nothing else touches the run. `apply` is called for each command
and takes microseconds; `settle` then does the costly rest once, so that many commands cost no more than one.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Literal

from engine.errors import UserError
from engine.runs.record import State
from engine.session.divergence import EXPLODED, Safeguard
from engine.session.live_run import LiveRun, Report, RunParts
from engine.session.messages import (
    Clamp,
    Command,
    Event,
    MarkMoment,
    Pause,
    Resume,
    RollBack,
    SampleAgain,
    Save,
    ScaleLearningRate,
    SetSampling,
    ShiftSampling,
    StepOnce,
    Stop,
)
from engine.session.pace import (
    Allowance,
    Budget,
    is_moment,
    is_report_due,
    is_validation_due,
)
from engine.setting import LARGEST
from engine.syntax import parse_moments
from engine.training.training import Step, train

AUTOSAVE_SECONDS = 60.0
FIRST_SAVE_SECONDS = 5.0  # and then after twice as long each time, up to AUTOSAVE_SECONDS
MOST_SINGLE_STEPS = 1_000  # that can be asked for before they are made
MEASURED_SHARE, MEASURED_CREDIT = 0.003, 0.05  # of the time of somebody else's loop, and seconds at its beginning
ASKED_SHARE, ASKED_BURST = 0.3, 1.0  # of the time while it trains, and seconds at once: what viewers ask for


class Loop(LiveRun):
    """Makes the steps of a run, and obeys commands between them."""

    def __init__(self, parts: RunParts, emit: Callable[[Event], None], report: Report) -> None:
        super().__init__(parts, emit, report)
        trainer = parts.trainer
        self._marked_steps = parse_moments(trainer.config.moments, trainer.windows_per_epoch)
        self.is_stopped = False  # a `Stop` was obeyed: viewers are not served any more either
        self.allowance = Allowance(ASKED_SHARE, ASKED_BURST)  # for what viewers ask: views, saves, held units
        self._save_after = FIRST_SAVE_SECONDS  # short, because a young run has no other checkpoint
        self._saved_at = self.clock()
        self._steps: Iterator[Step] = train(trainer, trainer.config.steps)
        self._single_steps = 0  # asked for and not yet made
        self._is_save_asked = self._is_mark_asked = False  # what `settle` is to do: save, keep the weights
        self.safeguard = Safeguard(self)
        self._measuring = Budget(MEASURED_SHARE, credit=MEASURED_CREDIT)  # validations, in somebody else's loop

    # --- commands ----------------------------------------------------------------------------

    def apply(self, command: Command) -> None:
        """Obey a command between two steps. A command or a number that makes no sense now does nothing.

        `settle` must follow after the last of several commands.
        """
        match command:
            case Pause() if self.state == "training":
                self.enter("paused")
            case Resume() if self.state == "paused":
                self._single_steps = 0
                self.enter("training")
            case StepOnce() if self.state in ("training", "paused"):
                if self.state == "training":
                    self.enter("paused")
                self._single_steps = min(self._single_steps + 1, MOST_SINGLE_STEPS)
            case ScaleLearningRate(factor) if 0 < factor * self.trainer.lr <= LARGEST:
                self.trainer.lr *= factor
            case SetSampling() | ShiftSampling() | SampleAgain():
                before = self.samples.settings.prompt
                self.samples.obey(command, anew=self.state != "training")
                if self.samples.settings.prompt != before:
                    self.note_prompts(sample=self.samples.settings.prompt)
            case Clamp(value=value) if self.state != "failed" and (value is None or math.isfinite(value)):
                self.held_units.obey(command)
            case RollBack(lr_factor) if self.state == "diverged" and 0 < lr_factor * self.trainer.lr <= self.trainer.lr:
                self._roll_back(lr_factor)
            case MarkMoment() if self.state != "failed":
                self._is_mark_asked = True
            case Save() if self.state != "failed":
                self._is_save_asked = True
            case Stop(save) if not self.is_stopped:  # of several the first says whether to save
                self._stop(save)

    def settle(self) -> None:
        """Do once what the commands since the last call ask for, the costly part as far as the allowance goes."""
        if self.is_unannounced:
            self.announce()
        if not (self.held_units.is_new or self._is_mark_asked or self._is_save_asked):
            return
        if self.state == "training" and not self.allowance.is_left:
            return  # the next call does it
        with self.allowance.spend():
            if self.held_units.is_new:
                free = self.trainer.validate()
                self.held_units.measure(free.mean if free else None)
            if self._is_mark_asked and not self.is_stopped:
                self._is_mark_asked = False
                self.emit_all(self.recorder.mark_moment(self.trainer))
            if self._is_save_asked and not self.is_stopped:
                self.save("asked")

    def note_prompts(self, **typed: str) -> None:
        """Note a field of `Prompts` that a viewer has changed, for the viewers that come after it."""
        self.recorder.prompts = dataclasses.replace(self.recorder.prompts, **typed)

    def _roll_back(self, lr_factor: float) -> None:
        """Train on, with a lower rate, from the good weights, which `_diverge` has put back."""
        self.trainer.lr *= lr_factor
        self.history.forget_after(self.trainer.steps)
        self.recorder.forget_after(self.trainer.steps)
        self.instruments.forget()
        self.moments.forget()
        self.samples.restart(self.trainer.steps, self.validations.loss)
        self._steps = train(self.trainer, self.trainer.config.steps)
        self.change("training")

    def _stop(self, save: bool) -> None:
        self.is_stopped = True
        if save and self.state in ("training", "paused", "diverged"):  # what a viewer set in between is kept, too
            self.save("end")
        elif self._is_save_asked:
            self.save("asked")
        if self.state in ("training", "paused"):
            self.change("stopped")

    # --- steps -------------------------------------------------------------------------------

    @property
    def wants_step(self) -> bool:
        """Whether it is time for a step, or for the run's end after the last one."""
        return self.state == "training" or (self.state == "paused" and self._single_steps > 0)

    def advance(self) -> bool:
        """Make a step if one is due, then what is due after it; return whether. After the last step, end the run."""
        is_due = self.wants_step if self.trainer.is_ours else self.trainer.has_step
        if self.state != "paused":
            self._single_steps = 0
        elif is_due:
            self._single_steps = max(0, self._single_steps - 1)
        if not is_due:
            return False
        self.baselines.start()
        if self.trainer.steps == 0 and self.trainer.is_ours:  # else the weights are those of a later step already
            self._keep_moment()
        # All time between two steps of training counts, also for instruments and saving; pauses do not.
        started = self.clock() if self.counted_until is None else self.counted_until
        step = next(self._steps, None)
        if step is None:
            self._finish()
            return True
        now = self.clock()
        elapsed = now - started
        self.counted_until = now if self.state == "training" else None
        self.last = step
        self.progress.add(step, elapsed)
        self.history.add(step.step, step.epoch, self.progress.seconds, step.loss)
        trouble = self.safeguard.trouble(step)
        last = step.step == self.trainer.config.steps
        measured: dict[str, float | None] = {}
        if not trouble and (last or (is_validation_due(step.step) and self._may_measure)):
            with self._measuring.spend():
                measured, trouble = self._validate(step)
        if trouble:
            self._diverge(trouble)
            return True
        report = is_report_due(step.step)
        if report or measured or last:
            self.report(self.progress.row(step) | measured)
        if report:
            self.progress.begin_line()  # not at an end in between: a longer run would go on adding to its losses
        if is_moment(step.step) or step.step in self._marked_steps:
            self._keep_moment()
        if 0 < self.trainer.config.patience <= self.validations.stale:
            self.validations.stale = 0  # a run that is resumed gets as many validations again
            self._finish(f"the validation loss has not fallen for {self.trainer.config.patience} validations")
        elif self.trainer.has_step:
            pass  # the weights belong to a step that waits
        elif self.clock() - self._saved_at >= self._save_after or self.recorder.retry_due:
            self.save("interval")
            self._save_after = min(2 * self._save_after, AUTOSAVE_SECONDS)
        return True

    def _finish(self, reason: str = "") -> None:
        """End the run, because it has made its last step, or for this `reason`."""
        self.baselines.wait()  # so that a finished run has all its files, however short it was
        self.save("end")
        if self.state != "diverged":
            self.change("finished", reason)

    def save(self, why: Literal["interval", "asked", "end"]) -> None:
        """Write a checkpoint of everything. Numbers that are not finite replace none: then the run has diverged."""
        self._saved_at = self.clock()
        self._is_save_asked = False
        if not self.trainer.is_finite:
            self._diverge("the optimiser's state is not finite any more")
            return
        self.write_checkpoint(why)

    def release(self) -> None:
        """Save, and let another process write the run's directory; `take_back` is the way back.

        Raises `UserError` if the run cannot be saved; the directory is then still this process's.
        """
        if self.state in ("training", "paused", "diverged"):
            self.save("end")
            if self.recorder.warning:
                raise UserError(self.recorder.warning)
        state: State = "stopped" if self.state in ("training", "paused") else self.state
        self.recorder.set_state(state, self.trainer.steps, "" if state == "stopped" else self.reason)
        self.recorder.close()

    def needs_weights(self, step: int) -> bool:
        """Whether the weights after `step` are measured or kept, so that no other step may follow before that."""
        return is_validation_due(step) or is_moment(step) or step in self._marked_steps

    @property
    def _may_measure(self) -> bool:
        """Whether there is time for what a viewer has not asked for: somebody else's loop gives little of it."""
        return self.trainer.is_ours or self._measuring.allows

    def _diverge(self, trouble: str) -> None:
        """Go back to the good weights, because of `trouble` after the last step; somebody else's loop is left alone."""
        at = f"at step {self.trainer.steps:,}, learning rate {self.last.lr if self.last else self.trainer.lr:.2g}"
        self.progress.forget()
        if not self.safeguard.go_back():
            self.change("diverged", f"{trouble} {at}; the weights saved before are kept")
            return
        self.save("end")
        back = f"back at the good weights of step {self.trainer.steps:,}"
        if not math.isfinite(self.safeguard.loss_now()):
            back = f"the weights of step {self.trainer.steps:,} have no finite loss either; begin with other settings"
        self.change("diverged", f"{trouble} {at}; {back}")

    def _validate(self, step: Step) -> tuple[dict[str, float | None], str]:
        """Measure the validation loss and what belongs to it; fields of a line of metrics, and trouble.

        Without a validation text there are no fields.
        """
        losses = self.trainer.validate()
        loss = losses.mean if losses else self.trainer.training_loss()
        if not math.isfinite(loss):
            return {}, "the loss of these weights is not a number any more"
        is_last = step.step == self.trainer.config.steps  # no step follows whose loss would show an explosion
        if is_last and self.safeguard.explosion.is_at(loss) and loss > EXPLODED * min(self.progress.losses):
            return {}, self.safeguard.explosion.sentence(loss)
        if losses is None:
            self.safeguard.note(step.loss)
            return {}, ""
        measured = self.note_validation(step, losses)
        self.safeguard.note(loss)
        if not self.samples.is_watched(self.clock()):
            self.finish_sample(self.samples.whole(step.step, loss))
        return measured, ""

    def _keep_moment(self) -> None:
        step = self.trainer.steps
        self.trainer.show()
        flow = None
        if self._may_measure:
            with self._measuring.spend():
                flow = self.instruments.gradient_flow(step)
        self.recorder.add_moment(self.trainer, flow, marked=step in self._marked_steps)
