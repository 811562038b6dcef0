"""One run, without any thread: commands go in, steps are made, and snapshots show where it stands.

    train() ──step──▶ advance() ──▶ metrics, validations, samples, checkpoints, events
                                      ▲
    commands ──▶ apply() … settle() ──┴─▶ snapshot(view) ──▶ what one viewer sees

`Session` calls these four in turn; between two steps nothing else touches the run. `apply` is called for each command
and takes microseconds; `settle` then does the costly rest once, so that many commands cost no more than one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import traceback
from collections.abc import Callable, Iterator
from typing import Any, Literal

from engine.errors import UserError
from engine.probes.results import Sample
from engine.runs.history import HistoryKeeper
from engine.runs.record import RunInfo, State
from engine.session.baselines import Baselines
from engine.session.clipping import ClippedShare
from engine.session.clock import RunningClock
from engine.session.divergence import EXPLODED, Explosion, Good
from engine.session.instruments import Instruments
from engine.session.messages import (
    Clamp,
    Command,
    Event,
    Failed,
    Held,
    MarkMoment,
    Now,
    Pause,
    Plateau,
    Resume,
    RollBack,
    SampleAgain,
    SampleFinished,
    SamplingSettings,
    Save,
    ScaleLearningRate,
    SetSampling,
    ShiftSampling,
    Snapshot,
    StateChanged,
    StepOnce,
    Stop,
    View,
)
from engine.session.moments import Moments
from engine.session.pace import (
    PLATEAU,
    STEADY_SECONDS,
    Allowance,
    Budget,
    Speed,
    is_moment,
    is_report_due,
    is_validation_due,
)
from engine.session.process_figures import ProcessFigures
from engine.session.recorder import Recorder
from engine.session.sample_stream import SampleStream
from engine.setting import LARGEST
from engine.syntax import parse_moments
from engine.training.trainer import Step, train
from engine.training.training import Training

AUTOSAVE_SECONDS = 60.0
FIRST_SAVE_SECONDS = 5.0  # and then after twice as long each time, up to AUTOSAVE_SECONDS
MOST_SINGLE_STEPS = 1_000  # that can be asked for before they are made
SAVED_FIELDS = 5  # of the last `Step`; whether that one was clipped is not asked any more
MEASURED_SHARE, MEASURED_CREDIT = 0.003, 0.05  # of the time of somebody else's loop, and seconds at its beginning
ASKED_SHARE, ASKED_BURST = 0.3, 1.0  # of the time while it trains, and seconds at once: what viewers ask for


class Loop:
    """A trainer with its curves, its records, its instruments, and the state that the run is in.

    `emit` takes every event, `report` every line of metrics. `saved` has the loop's own values from the checkpoint that
    a resumed run goes on from; the trainer has been restored already. With `as_it_was` a run that was paused or had
    diverged goes on as such; otherwise it trains.
    """

    def __init__(
        self,
        trainer: Training,
        info: RunInfo,
        recorder: Recorder,
        instruments: Instruments,
        samples: SampleStream,
        moments: Moments,
        history: HistoryKeeper,
        baselines: Baselines,
        *,
        emit: Callable[[Event], None],
        report: Callable[[dict[str, Any]], None],
        saved: dict[str, Any] | None = None,
        as_it_was: bool = False,
    ) -> None:
        self.trainer, self._info, self.recorder = trainer, info, recorder
        self.instruments, self.samples, self.history = instruments, samples, history
        self.baselines = baselines
        self._moments = moments
        self._marked_steps = parse_moments(trainer.config.moments, trainer.windows_per_epoch)
        self.state: State = "starting"
        self.reason = ""
        self.is_stopped = False  # a `Stop` was obeyed: viewers are not served any more either
        self.seconds = 0.0  # of training, pauses not counted
        self.last: Step | None = None
        self.val_loss: float | None = None
        self.val_loss_se: float | None = None  # its standard error
        self.best_val_loss: float | None = None
        self._stale = 0  # validations since the best one
        self.regret: float | None = None  # of the best one, where an oracle's loss is known
        self.regret_se: float | None = None
        self.speed, self._steady_speed = Speed(), Speed(STEADY_SECONDS)
        self._figures = ProcessFigures(lambda: trainer.worker_pids)
        self._emit, self._report_row = emit, report
        self.running_clock = RunningClock()  # a suspended process trains nothing
        self._clock: Callable[[], float] = self.running_clock
        self._save_after = FIRST_SAVE_SECONDS  # short, because a young run has no other checkpoint
        self._saved_at = self._clock()
        self._steps: Iterator[Step] = train(trainer, trainer.config.steps)
        self.allowance = Allowance(ASKED_SHARE, ASKED_BURST)  # for what viewers ask: views, saves, held units
        self._single_steps = 0  # asked for and not yet made
        self._announced: tuple[State, str] = "starting", ""  # what was last recorded, and emitted
        # What `settle` is to do: save, keep the weights, or measure the held units.
        self._is_save_asked = self._is_mark_asked = self._is_clamp_new = False
        self._counted_until: float | None = None
        self._reported: list[float] = []  # losses since the last line of metrics
        self._clipped = ClippedShare(trainer.is_clipping)
        self._explosion = Explosion(trainer.parameters.architecture.vocabulary_size)
        if saved is not None:
            self.seconds = float(saved["seconds"])
            self.val_loss, self.best_val_loss = saved["val_loss"], saved["best_val_loss"]
            self.val_loss_se = saved.get("val_loss_se")  # version 0.1 does not have these three
            self.regret, self.regret_se = saved.get("regret"), saved.get("regret_se")
            self._stale = int(saved.get("stale", 0))
            self._reported = list(saved["reported"])
            self._clipped.since_report = int(saved.get("clipped", 0))
            self.samples.use(SamplingSettings(**saved.get("sampling", {})))  # which runs of version 0.1 do not have
            for layer, held in saved.get("clamps", []):
                for unit, value in held:
                    self._hold(Clamp(layer, unit, value))
            effect = saved.get("clamp_effect")
            self.instruments.clamp_effect = math.nan if effect is None else effect
            self.last = Step(*saved["last"]) if saved.get("last") else None
            if as_it_was and saved.get("state") in ("paused", "diverged"):
                self.state, self.reason = saved["state"], saved["reason"]
        self._good = self._here()
        self._measuring = Budget(MEASURED_SHARE, credit=MEASURED_CREDIT)  # validations, in somebody else's loop

    @property
    def info(self) -> RunInfo:
        """The first message to a viewer; the run's directory may have been renamed since the beginning."""
        path = self.recorder.run.path
        return dataclasses.replace(self._info, name=path.name, directory=str(path))

    # --- commands ----------------------------------------------------------------------------

    def apply(self, command: Command) -> None:
        """Obey a command between two steps. A command or a number that makes no sense now does nothing.

        `settle` must follow after the last of several commands.
        """
        match command:
            case Pause() if self.state == "training":
                self._enter("paused")
            case Resume() if self.state == "paused":
                self._single_steps = 0
                self._enter("training")
            case StepOnce() if self.state in ("training", "paused"):
                if self.state == "training":
                    self._enter("paused")
                self._single_steps = min(self._single_steps + 1, MOST_SINGLE_STEPS)
            case ScaleLearningRate(factor) if 0 < factor * self.trainer.lr <= LARGEST:
                self.trainer.lr *= factor
            case SetSampling() | ShiftSampling() | SampleAgain():
                self.samples.obey(command, anew=self.state != "training")
            case Clamp(value=value) if self.state != "failed" and (value is None or math.isfinite(value)):
                self._clamp(command)
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
        if self._announced != (self.state, self.reason):
            self._announce()
        if not (self._is_clamp_new or self._is_mark_asked or self._is_save_asked):
            return
        if self.state == "training" and not self.allowance.is_left:
            return  # the next call does it
        with self.allowance.spend():
            if self._is_clamp_new:
                free = self.trainer.validate()
                self._measure_clamps(free.mean if free else None)
            if self._is_mark_asked and not self.is_stopped:
                self._is_mark_asked = False
                self._emit_all(self.recorder.mark_moment(self.trainer))
            if self._is_save_asked and not self.is_stopped:
                self.save("asked")

    def _clamp(self, command: Clamp) -> None:
        """Hold or free a unit in samples and cells; `settle` measures what that does to the validation loss."""
        if self._hold(command):
            self.instruments.clamp_effect = math.nan
            self._is_clamp_new = bool(self.instruments.clamps)

    def _hold(self, command: Clamp) -> bool:
        """Hold or free a unit; whether the network has it."""
        architecture = self.trainer.parameters.architecture
        if not (0 <= command.layer < architecture.layers and 0 <= command.unit < architecture.hidden_size):
            return False
        units = dict(self.instruments.clamps.get(command.layer, ()))
        if command.value is None:
            units.pop(command.unit, None)
        else:
            units[command.unit] = command.value
        clamps = {**self.instruments.clamps, command.layer: tuple(units.items())}
        clamps = {layer: held for layer, held in clamps.items() if held}
        self.samples.sampler.clamps = self.instruments.clamps = clamps
        return True

    def _measure_clamps(self, free: float | None) -> None:
        """Note by how much all held units together change the validation loss, `free` without them; NaN: unknown."""
        self._is_clamp_new = False
        clamps = self.instruments.clamps
        held = self.trainer.validate(clamps) if clamps else None
        self.instruments.clamp_effect = math.nan if free is None or held is None else held.mean - free

    def _roll_back(self, lr_factor: float) -> None:
        """Train on, with a lower rate, from the good weights, which `_diverge` has put back."""
        self.trainer.lr *= lr_factor
        self.history.forget_after(self.trainer.steps)
        self.recorder.forget_after(self.trainer.steps)
        self.instruments.forget()
        self._moments.forget()
        self.samples.restart(self.trainer.steps, self.val_loss)
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
        """Make a step if one is due, then what is due after it; whether it did. After the last step, end the run."""
        is_due = self.wants_step if self.trainer.is_ours else self.trainer.has_step
        if self.state != "paused":
            self._single_steps = 0
        elif is_due:
            self._single_steps = max(0, self._single_steps - 1)
        if not is_due:
            return False
        self.baselines.start()
        if self.trainer.steps == 0:
            self._keep_moment()
        # All time between two steps of training counts, also for instruments and saving; pauses do not.
        started = self._clock() if self._counted_until is None else self._counted_until
        step = next(self._steps, None)
        if step is None:
            self._finish()
            return True
        now = self._clock()
        elapsed = now - started
        self._counted_until = now if self.state == "training" else None
        self.seconds += elapsed
        self.last = step
        for speed in (self.speed, self._steady_speed):
            speed.add(self.trainer.config.batch * self.trainer.config.seq, elapsed)
        self.history.add(step.step, step.epoch, self.seconds, step.loss)
        self._reported.append(step.loss)
        self._clipped.add(step.clipped)
        trouble = self._trouble(step)
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
            self._report(step, measured)
        if report:
            self._reported.clear()  # not at an end in between: a longer run would go on adding to its losses
            self._clipped.since_report = 0
        if is_moment(step.step) or step.step in self._marked_steps:
            self._keep_moment()
        if 0 < self.trainer.config.patience <= self._stale:
            self._stale = 0  # a run that is resumed gets as many validations again
            self._finish(f"the validation loss has not fallen for {self.trainer.config.patience} validations")
        elif self._clock() - self._saved_at >= self._save_after or self.recorder.retry_due:
            self.save("interval")
            self._save_after = min(2 * self._save_after, AUTOSAVE_SECONDS)
        return True

    def _finish(self, reason: str = "") -> None:
        """End the run, because it has made its last step, or for this `reason`."""
        self.baselines.wait()  # so that a finished run has all its files, however short it was
        self.save("end")
        if self.state != "diverged":
            self.change("finished", reason)

    def change(self, state: State, reason: str = "") -> None:
        """Go into another state; record it and emit an event."""
        self._enter(state, reason)
        self._announce()

    def _enter(self, state: State, reason: str = "") -> None:
        self.state, self.reason = state, reason
        self._counted_until = None

    def _announce(self) -> None:
        self._announced = self.state, self.reason
        self.recorder.set_state(self.state, self.trainer.steps, self.reason)
        self._emit(StateChanged(self.state, self.trainer.steps, self.reason))

    def save(self, why: Literal["interval", "asked", "end"]) -> None:
        """Write a checkpoint of everything. Numbers that are not finite replace none: then the run has diverged."""
        self._saved_at = self._clock()
        self._is_save_asked = False
        if not self.trainer.is_finite:
            self._diverge("the optimiser's state is not finite any more")
            return
        effect = self.instruments.clamp_effect
        values = {
            "seconds": self.seconds,
            "val_loss": self.val_loss,
            "val_loss_se": self.val_loss_se,
            "best_val_loss": self.best_val_loss,
            "regret": self.regret,
            "regret_se": self.regret_se,
            "reported": self._reported,
            "clipped": self._clipped.since_report,
            "sampling": dataclasses.asdict(self.samples.settings),
            "clamps": [*self.instruments.clamps.items()],
            "clamp_effect": None if effect is None or math.isnan(effect) else effect,
            "last": None if self.last is None else dataclasses.astuple(self.last)[:SAVED_FIELDS],
            "state": self.state,
            "reason": self.reason,
            "stale": self._stale,
        }
        self._emit_all(self.recorder.save(self.trainer, why, values))

    def _emit_all(self, events: list[Event]) -> None:
        for event in events:
            self._emit(event)
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
        self._emit(Failed(self.trainer.steps, text, log))
        self.change("failed", f"{text} (log: {log or 'none could be written'})")
        self.trainer.close()

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

    def take_back(self) -> None:
        """Write the run's directory again, after `release`. Raises `UserError` if another process does."""
        self.recorder.reopen(self.trainer.steps)

    def close(self) -> None:
        """Let go of the run's directory, and of the processes that share the work."""
        self.recorder.close()
        for listener in self.recorder.listeners:
            listener.close()
        self.trainer.close()

    @property
    def _may_measure(self) -> bool:
        """Whether there is time for what a viewer has not asked for: somebody else's loop gives little of it."""
        return self.trainer.is_ours or self._measuring.allows

    def _trouble(self, step: Step) -> str:
        """Why training cannot go on from here; empty if it can."""
        if not self.trainer.is_ours:
            return "" if math.isfinite(step.loss) else "the loss is not a number any more"
        return self._explosion.trouble(step, self.history.smoothed) or (
            "" if self.trainer.has_finite_weights else "a weight is not a number any more"
        )

    def _here(self) -> Good:
        return Good(*self.trainer.state(), self.last, self.val_loss, self.val_loss_se, self._stale)

    def _note_good(self, loss: float) -> None:
        """Remember these weights to go back to, unless their `loss` says that an explosion has begun."""
        if self.trainer.is_ours and not self._explosion.is_at(loss) and self.trainer.is_finite:
            with contextlib.suppress(MemoryError):  # the weights before stay the ones to go back to
                self._good = self._here()

    def _loss_now(self) -> float:
        """The loss of the present weights over the validation text, or over some training text if there is no other."""
        losses = self.trainer.validate()
        return losses.mean if losses else self.trainer.training_loss()

    def _diverge(self, trouble: str) -> None:
        """Go back to the good weights, because of `trouble` after the last step; somebody else's loop is left alone."""
        at = f"at step {self.trainer.steps:,}, learning rate {self.last.lr if self.last else self.trainer.lr:.2g}"
        self._reported.clear()
        self._clipped.forget()
        if not self.trainer.is_ours:
            self.change("diverged", f"{trouble} {at}; the weights saved before are kept")
            return
        too_high = self.trainer.lr
        self.trainer.restore(self._good.arrays, self._good.meta)
        self.last, self.val_loss, self.val_loss_se = self._good.last, self._good.val_loss, self._good.val_loss_se
        self._stale = self._good.stale
        self.instruments.forget()
        self._measure_clamps(self.val_loss)
        self.trainer.lr = too_high  # each roll-back lowers it further
        self.save("end")
        back = f"back at the good weights of step {self.trainer.steps:,}"
        if not math.isfinite(self._loss_now()):
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
        if is_last and self._explosion.is_at(loss) and loss > EXPLODED * min(self._reported):
            return {}, self._explosion.sentence(loss)
        if losses is None:
            self._note_good(step.loss)
            return {}, ""
        self.val_loss, self.val_loss_se = loss, losses.standard_error
        self._measure_clamps(loss)
        reach = self.instruments.reach()
        measured: dict[str, float | None] = {
            "val_loss": loss,
            "val_loss_se": losses.standard_error,
            "reach": reach.mean,
            "reach_se": reach.standard_error,
        }
        # Of a small network λ₁ takes as long as many steps: it is measured ever more rarely, as weights are kept.
        if (is_last or is_moment(step.step)) and math.isfinite(lambda1 := self.instruments.lambda1()):
            measured["lambda1"] = lambda1
            self.history.add_lambda1(step.step, lambda1)
        if regret := self.baselines.regret(losses):
            measured |= {"regret": regret.mean, "regret_se": regret.standard_error}
        self.history.add_validation(step.step, step.epoch, self.seconds, loss)
        self.history.add_reach(step.step, reach.mean, reach.standard_error)
        if math.isfinite(loss) and (self.best_val_loss is None or loss < self.best_val_loss):
            self.best_val_loss = loss
            self.regret, self.regret_se = measured.get("regret"), measured.get("regret_se")
            self.recorder.save_best(self.trainer, loss)
            self._stale = 0
        else:
            self._stale += 1
            if self._stale == PLATEAU and self.best_val_loss is not None:
                self._emit(Plateau(step.step, PLATEAU, self.best_val_loss))
        self._note_good(loss)
        if not self.samples.is_watched(self._clock()):
            self._finish_sample(self.samples.whole(step.step, loss))
        return measured, ""

    def _report(self, step: Step, measured: dict[str, float | None]) -> None:
        row: dict[str, Any] = {
            "step": step.step,
            "epoch": round(step.epoch, 4),
            "loss": sum(self._reported) / len(self._reported),
            "lr": step.lr,
            "grad_norm": step.grad_norm,
            "chars_per_second": round(self.speed.per_second),
            "time": round(self.seconds, 3),
        }
        if (clipped := self._clipped.report(len(self._reported))) is not None:
            row["clipped"] = clipped
        row |= measured
        self.recorder.report(row)
        self._report_row(row)
        self._emit_all(self.recorder.news())

    def _keep_moment(self) -> None:
        step = self.trainer.steps
        self.trainer.show()
        flow = None
        if self._may_measure:
            with self._measuring.spend():
                flow = self.instruments.gradient_flow(step)
        self.recorder.add_moment(self.trainer, flow, marked=step in self._marked_steps)

    # --- what viewers see --------------------------------------------------------------------

    def snapshot(self, view: View, *, urgent: bool, obeyed: int) -> Snapshot:
        """The run as `view` shows it. If it is `urgent`, a new question is answered at once.

        `obeyed` is the number of the viewer's commands that were applied. The sample grows when it is shown. At a
        moment all answers come from its weights; if these cannot be read, from the present ones, and `moment` says so.
        """
        trainer, now = self.trainer, None
        trainer.show()
        self._figures.look()
        moment = None if view.moment is None else self._moments.at(view.moment, self.history)
        self.instruments.yield_to_training(self.state == "training")
        if moment is None:
            answers = self.instruments.answer(view, trainer.steps, urgent=urgent)
        else:
            answers = moment.answer(view)
            if view.beside_now:
                present = self.instruments.answer(view, trainer.steps, urgent=urgent, fresh=True)
                now = Now(present.gradients, present.connectivity, present.cells)
        sample = None
        if "samples" in view.visible:
            sample = self._growing_sample() if moment is None else moment.sample()
        return Snapshot(
            state=self.state,
            reason=self.reason,
            step=trainer.steps,
            steps=trainer.config.steps,
            epoch=trainer.epoch,
            loss=self.last.loss if self.last else math.nan,
            val_loss=self.val_loss,
            val_loss_se=self.val_loss_se,
            best_val_loss=self.best_val_loss,
            regret=self.regret,
            regret_se=self.regret_se,
            grad_norm=self.last.grad_norm if self.last else None,
            clipped=self._clipped.lately,
            ladder=self.baselines.ladder,
            lr=trainer.next_lr,
            chars_per_second=self.speed.per_second,
            seconds=self.seconds,
            history=self.history.history(),
            warning=self.recorder.warning or self.trainer.slowdown,
            sample=sample,
            sampling=self.samples.settings,
            obeyed=obeyed,
            moments=self._moments.readable(self.recorder.moments),
            moment=None if moment is None else moment.step,
            now=now,
            seconds_left=self._seconds_left,
            cores=self._figures.cores,
            memory=self._figures.memory,
            held=tuple(
                Held(layer, unit, value)
                for layer, units in sorted(self.instruments.clamps.items())
                for unit, value in units
            ),
            **answers._asdict(),
        )

    @property
    def _seconds_left(self) -> float | None:
        """Until the last step, at the speed of late; None where there is no last step, or no speed yet."""
        config, speed = self.trainer.config, self._steady_speed.per_second
        if config.steps is None or not speed or self.state not in ("training", "paused"):
            return None
        return (config.steps - self.trainer.steps) * config.batch * config.seq / speed

    def _growing_sample(self) -> Sample:
        """The sample that the present weights write, with what is due of it."""
        if self.state not in ("starting", "failed"):
            once = self.state != "training"
            finished = self.samples.grow(self._clock(), self.trainer.steps, self.val_loss, once=once)
            if finished is not None:
                self._finish_sample(finished)
        return self.samples.current()

    def _finish_sample(self, sample: Sample) -> None:
        """Record a complete sample, and emit it."""
        self.recorder.add_sample(sample)
        self._emit(SampleFinished(sample))
