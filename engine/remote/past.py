"""What a run's files say of its past: the state it was in last, its curves, its samples."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable
from itertools import islice

import numpy as np

from engine.errors import UserError
from engine.runs.history import HistoryKeeper
from engine.runs.reader import RunReader
from engine.runs.record import RunInfo, State
from engine.session.messages import Event, SampleFinished, Snapshot
from engine.syntax import parse_schedule
from engine.text.split import split
from engine.training.batches import windows_per_epoch

MOST_SEEN = 20_000  # several times what a run's logs hold, where samples and moments grow rarer with the steps


def past_events(run: RunReader) -> list[Event]:
    """Its finished samples, oldest first."""
    return [SampleFinished(sample) for sample in run.samples()]


def state_and_reason(run: RunReader) -> tuple[State, str]:
    """Its state, and why."""
    if run.state == "crashed":
        return run.state, "its process ended without a word; its last save is kept"
    return run.state, run.status.reason


def trained_elsewhere(pid: int | None) -> str:
    """Why files are shown of a run that is being trained."""
    return f"these are its last saved weights; the run itself goes on in process {pid}"


def last_snapshot(run: RunReader) -> Snapshot:
    """Its state after its last report, with all curves, without instruments. Unmeasured values are NaN or None."""
    metrics, status, history = run.metrics(), run.status, run.history()
    state, reason = state_and_reason(run)
    if state == "diverged":  # and went back to good weights
        good = metrics["step"] <= status.step
        metrics = {name: column[good] for name, column in metrics.items()}
    if run.pid is not None:
        state, reason = "stopped", trained_elsewhere(run.pid)
    last = {"time": 0.0, "epoch": 0.0, "chars_per_second": 0.0, "lr": run.config.lr, "loss": math.nan}
    last |= {name: float(column[-1]) for name, column in metrics.items() if len(column)}
    measured = ~np.isnan(metrics["val_loss"])
    validations = {name: metrics[name][measured] for name in ("val_loss", "val_loss_se", "regret", "regret_se")}
    best = int(validations["val_loss"].argmin()) if measured.any() else -1

    def validation(name: str, place: int) -> float | None:
        value = float(validations[name][place]) if measured.any() else math.nan
        return value if math.isfinite(value) else None

    def known(name: str) -> float | None:
        return last[name] if math.isfinite(last.get(name, math.nan)) else None

    return Snapshot(
        state=state,
        reason=reason,
        step=max([*metrics["step"][-1:].tolist(), status.step]),
        steps=run.config.steps,
        epoch=last["epoch"],
        loss=last["loss"],
        val_loss=validation("val_loss", -1),
        val_loss_se=validation("val_loss_se", -1),
        best_val_loss=validation("val_loss", best),
        regret=validation("regret", best),
        regret_se=validation("regret_se", best),
        grad_norm=known("grad_norm"),
        clipped=known("clipped"),
        ladder=run.record.ladder,
        lr=_next_rate(run, at_least=int(metrics["step"][-1]) if len(metrics["step"]) else 0) or last["lr"],
        chars_per_second=last["chars_per_second"],
        seconds=last["time"],
        history=history.history(),
        live=False,
    )


def _next_rate(run: RunReader, at_least: int) -> float | None:
    """The learning rate of the step that would come next; None if the run was saved last before step `at_least`.

    The log has only the rate of the last step in it, and the rate may have been changed since.
    """
    with contextlib.suppress(UserError):
        saved = run.checkpoint()
        if saved.steps >= at_least:
            config, length = run.config, run.record.text_length
            parts = split(length, config.validation, config.test, config.blocks).training
            windows = (windows_per_epoch(part.stop - part.start, config.batch, config.seq) for part in parts)
            epoch = max(1, sum(windows))
            return saved.lr * parse_schedule(config.schedule, epoch).factor(saved.steps)
    return None


def unseen_snapshot(info: RunInfo) -> Snapshot:
    """Stands for a run that was never seen: step 0, no curves."""
    return Snapshot(
        state="starting",
        reason="",
        step=0,
        steps=None,
        epoch=0.0,
        loss=math.nan,
        val_loss=None,
        best_val_loss=None,
        lr=float(info.config["lr"]),
        chars_per_second=0.0,
        seconds=0.0,
        history=HistoryKeeper().history(),
    )


def identities(events: Iterable[Event]) -> set[int]:
    """A hash of each sample among `events`, the same from disk and from the socket; other events have none."""
    samples = (event.sample for event in events if isinstance(event, SampleFinished))
    return {hash((sample.step, sample.text)) for sample in samples}


class Seen:
    """The last `MOST_SEEN` events that a viewer has got, by their `identities`. It may watch for weeks."""

    def __init__(self, identities: Iterable[int] = ()) -> None:
        self._identities = dict.fromkeys(identities)  # a dict keeps their order

    def __len__(self) -> int:
        return len(self._identities)

    def add(self, event: Event) -> bool:
        """Note an event; return whether it is new. One without an identity always is."""
        new = identities([event])
        if new and new <= self._identities.keys():
            return False
        self._identities.update(dict.fromkeys(new))
        for oldest in [*islice(self._identities, max(0, len(self) - MOST_SEEN))]:
            del self._identities[oldest]
        return True
