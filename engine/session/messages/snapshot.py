"""Snapshots come out of a run: the latest one counts, and a slow viewer does not get the others."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

from engine.probes.results import (
    Cells,
    Connectivity,
    Contexts,
    Eigenvalues,
    Exponents,
    GradientFlow,
    Inside,
    Portrait,
    Sample,
    Saturation,
    Where,
)
from engine.runs.history import History
from engine.runs.record import State
from engine.session.messages.commands import SamplingSettings
from engine.text.counting import Ladder

ALIVE: tuple[State, ...] = ("starting", "training", "paused")  # the run can still be stopped
OVER: tuple[State, ...] = ("finished", "stopped", "failed", "crashed")  # nothing can change the run any more
# "diverged" is in neither: while its process lives, the run waits for a `RollBack`.


@dataclass(frozen=True, slots=True)
class Held:
    """A unit whose h is held at `value` in the cells and in samples. Layer and unit count from 0."""

    layer: int
    unit: int
    value: float


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to a view; None for an instrument that it does not show, or that has no answer yet."""

    gradients: GradientFlow | None = None
    connectivity: Connectivity | None = None
    cells: Cells | None = None
    inside: Inside | None = None
    contexts: Contexts | None = None
    portrait: Portrait | None = None
    eigenvalues: Eigenvalues | None = None
    exponents: Exponents | None = None
    saturation: Saturation | None = None
    where: Where | None = None

    def by_name(self) -> dict[str, Any]:
        """Each answer, or None, by the name of its field."""
        return {field.name: getattr(self, field.name) for field in fields(Answers)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot(Answers):
    """The state of a run, with the answers to one viewer's `View`. Losses in nats per character."""

    state: State
    reason: str  # why it is in this state; empty where that is plain
    step: int
    steps: int | None  # the last one it will make; None: it goes on until it is stopped
    epoch: float
    loss: float
    val_loss: float | None
    best_val_loss: float | None
    lr: float  # of the next step: the base learning rate times the schedule's factor
    chars_per_second: float
    seconds: float  # of training, pauses not counted
    history: History
    warning: str = ""  # stays until its cause is gone, as "disk full: …"
    sample: Sample | None = None
    sampling: SamplingSettings | None = None  # None where no process draws samples any more
    obeyed: int = 0  # how many commands of this viewer the run had obeyed, counted in the order they were sent
    val_loss_se: float | None = None  # the standard error of `val_loss`, see `engine.text.stretches`
    regret: float | None = None  # how far `best_val_loss` lies above an oracle's loss on the same characters
    regret_se: float | None = None  # its standard error
    ladder: Ladder | None = None  # None while n-grams are being counted
    grad_norm: float | None = None  # of the last step, before clipping
    clipped: float | None = None  # share of the last 100 steps whose gradient was clipped; None where nothing clips
    moments: tuple[int, ...] = ()  # the steps whose weights are kept, in rising order
    moment: int | None = None  # the one whose weights gave the sample and the answers; None: the present weights did
    now: Answers | None = None  # the present weights' answers, to be laid over a moment's, if the view asks for them
    held: tuple[Held, ...] = ()  # units that `Clamp` holds fixed
    seconds_left: float | None = None  # of training, at the speed of late; None where no end is known
    cores: float | None = None  # that the run's processes use on average; None where that is not known
    memory: int | None = None  # bytes that they take
    # Whether a process has the run and obeys commands. If not, a state in `ALIVE` is the one in which the run was last
    # seen: the viewer knows nothing of it any more.
    live: bool = True

    def without_answers(self) -> Snapshot:
        """The state of the run alone, for a viewer that asks about another moment by now."""
        return replace(self, sample=None, now=None, **Answers().by_name())

    @property
    def smoothed_loss(self) -> float:
        """The exponential mean of the training loss, as its curve ends; the last step's before there is a curve."""
        smoothed = self.history.smoothed
        return float(smoothed[-1]) if len(smoothed) else self.loss

    @property
    def best_val_step(self) -> int | None:
        """The step at which `best_val_loss` was measured; None if the curve does not show it."""
        losses = self.history.val_loss
        if self.best_val_loss is None or not len(losses):
            return None
        place = int(losses.argmin())
        return int(self.history.val_step[place]) if math.isclose(losses[place], self.best_val_loss) else None

    @property
    def is_over(self) -> bool:
        """Whether nothing can change the run any more. A diverged run can go on while its process lives."""
        return self.state in OVER or not self.live

    @property
    def is_out_of_touch(self) -> bool:
        """Whether the run may go on, but this viewer does not know."""
        return self.state in ALIVE and not self.live
