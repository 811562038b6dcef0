"""A run on disk as the messages that a viewer of the live run has seen."""

from __future__ import annotations

import math

import numpy as np

from engine.messages import Event, MomentRecorded, SampleFinished, Snapshot, State
from engine.stored_run import StoredRun


def past_events(run: StoredRun) -> list[Event]:
    """Its finished samples and recorded moments, each oldest first."""
    samples = [SampleFinished(sample) for sample in run.samples()]
    return [*samples, *(MomentRecorded(flow) for flow in run.moments())]


def how_it_is(run: StoredRun) -> tuple[State, str]:
    """Its state, and why."""
    state, reason = run.state, str(run.status.get("reason", ""))
    if state == "crashed":
        reason = "its process ended without a word; `train --resume` goes on from the last save"
    if state == "diverged":
        reason += (
            "; `train --resume` goes on from them at the same learning rate: "
            "lower it with `[`, or with `b` when it diverges again"
        )
    return state, reason


def last_snapshot(run: StoredRun) -> Snapshot:
    """How its last report left it, with all curves, without instruments. What was never measured is NaN or None."""
    metrics, status, history = run.metrics(), run.status, run.history()
    state, reason = how_it_is(run)
    if state == "diverged" and isinstance(status.get("step"), int):  # and went back to good weights
        good = metrics["step"] <= status["step"]
        metrics = {name: column[good] for name, column in metrics.items()}
    last = {
        "time": 0.0,
        "epoch": 0.0,
        "chars_per_second": 0.0,
        "lr": run.config.lr,
        "loss": math.nan,
        "grad_norm": math.nan,
    }
    last |= {name: float(column[-1]) for name, column in metrics.items() if len(column)}
    val_losses = metrics["val_loss"][~np.isnan(metrics["val_loss"])]
    steps = [*metrics["step"][-1:].tolist(), status.get("step")]
    return Snapshot(
        state=state,
        reason=reason,
        step=max((step for step in steps if isinstance(step, int)), default=0),
        steps=run.config.steps,
        epoch=last["epoch"],
        loss=last["loss"],
        smoothed=history.smoothed,
        val_loss=float(val_losses[-1]) if len(val_losses) else None,
        best_val_loss=float(val_losses.min()) if len(val_losses) else None,
        lr=last["lr"],
        base_lr=last["lr"],
        grad_norm=last["grad_norm"],
        chars_per_second=last["chars_per_second"],
        seconds=last["time"],
        history=history.history(),
        live=False,
    )
