"""A run on disk as the messages that a viewer of the live run has seen."""

from __future__ import annotations

import math

import numpy as np

from engine.messages import Event, MomentRecorded, SampleFinished, Snapshot
from engine.stored_run import StoredRun


def past_events(run: StoredRun) -> list[Event]:
    """Its finished samples and recorded moments, each oldest first."""
    samples = [SampleFinished(sample) for sample in run.samples()]
    return [*samples, *(MomentRecorded(flow) for flow in run.moments())]


def last_snapshot(run: StoredRun) -> Snapshot:
    """How its last report left it, with all curves and without instruments. What was never measured is NaN or None."""
    metrics, status, history = run.metrics(), run.status, run.history()
    last = {name: float(column[-1]) if len(column) else math.nan for name, column in metrics.items()}
    val_losses = metrics["val_loss"][~np.isnan(metrics["val_loss"])]
    steps = [*metrics["step"][-1:].tolist(), status.get("step")]
    return Snapshot(
        state=run.state,
        reason=str(status.get("reason", "")),
        step=max((step for step in steps if isinstance(step, int)), default=0),
        steps=run.config.steps,
        epoch=last["epoch"],
        loss=last["loss"],
        smoothed=history.smoothed,
        val_loss=float(val_losses[-1]) if len(val_losses) else None,
        best_val_loss=float(val_losses.min()) if len(val_losses) else None,
        lr=last["lr"],
        grad_norm=last["grad_norm"],
        chars_per_second=last["chars_per_second"],
        seconds=last["time"],
        history=history.history(),
    )
