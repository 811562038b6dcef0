"""What one viewer sees of a run."""

from __future__ import annotations

import math

from engine.probes.results import Sample
from engine.session.live_run import LiveRun
from engine.session.messages import Snapshot, View


def take_snapshot(run: LiveRun, view: View, *, urgent: bool, obeyed: int) -> Snapshot:
    """The run as `view` shows it. If it is `urgent`, a new question is answered at once.

    `obeyed` is the number of the viewer's commands that were applied. The sample grows when it is shown. At a moment
    all answers come from its weights; if these cannot be read, from the present ones, and `moment` says so.
    """
    trainer, now = run.trainer, None
    trainer.show()
    run.figures.look()
    moment = None if view.moment is None else run.moments.at(view.moment, run.history)
    run.instruments.set_training(run.state == "training")
    if moment is None:
        answers = run.instruments.answer(view, trainer.steps, urgent=urgent)
    else:
        answers = moment.answer(view)
        if view.beside_now:
            now = run.instruments.answer(view, trainer.steps, urgent=urgent, fresh=True)
    sample = None
    if "samples" in view.visible:
        sample = _growing_sample(run) if moment is None else moment.sample()
    return Snapshot(
        state=run.state,
        reason=run.reason,
        step=trainer.steps,
        steps=trainer.config.steps,
        epoch=trainer.epoch,
        loss=run.last.loss if run.last else math.nan,
        val_loss=run.validations.loss,
        val_loss_se=run.validations.loss_se,
        best_val_loss=run.validations.best,
        regret=run.validations.regret,
        regret_se=run.validations.regret_se,
        grad_norm=run.last.grad_norm if run.last else None,
        clipped=run.progress.clipped.lately,
        ladder=run.baselines.ladder,
        lr=trainer.next_lr,
        chars_per_second=run.progress.speed.per_second,
        seconds=run.progress.seconds,
        history=run.history.history(),
        warning=run.recorder.warning or run.trainer.slowdown,
        sample=sample,
        sampling=run.samples.settings,
        obeyed=obeyed,
        moments=run.moments.readable(run.recorder.moments),
        moment=None if moment is None else moment.step,
        now=now,
        seconds_left=_seconds_left(run),
        cores=run.figures.cores,
        memory=run.figures.memory,
        held=run.held_units.shown(),
        **answers.by_name(),
    )


def _seconds_left(run: LiveRun) -> float | None:
    """Until the last step, at the speed of late; None where there is no last step, or no speed yet."""
    last = run.trainer.config.steps
    if last is None or run.state not in ("training", "paused"):
        return None
    return run.progress.seconds_for(last - run.trainer.steps)


def _growing_sample(run: LiveRun) -> Sample:
    """The sample that the present weights write, with what is due of it."""
    if run.state not in ("starting", "failed"):
        once = run.state != "training"
        finished = run.samples.grow(run.clock(), run.trainer.steps, run.validations.loss, once=once)
        if finished is not None:
            run.finish_sample(finished)
    return run.samples.current()
