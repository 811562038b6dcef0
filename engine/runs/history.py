"""The curves of a run in bounded memory: recent steps one by one, older ones as means over more and more steps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.arrays import Array, Integers, frozen

RECENT = 512  # steps that are kept one by one
POINTS = 1024  # kept at most for all older steps


@dataclass(frozen=True, slots=True)
class History:
    """The curves of training loss, validation loss, reach and λ₁; each array has one value for each point of its curve.

    A recent point is one step. An older point stands for several steps and holds their means. Losses are in nats per
    character. `seconds` is the time spent on training. `epoch` is how many times the training text has been read.
    """

    step: Integers
    epoch: Array
    seconds: Array
    loss: Array
    smoothed: Array  # exponential mean of the losses of single steps
    val_step: Integers
    val_epoch: Array
    val_seconds: Array
    val_loss: Array
    reach_step: Integers
    reach: Array  # characters
    reach_se: Array  # its standard error; NaN where it is not known
    lambda1_step: Integers
    lambda1: Array  # the largest Lyapunov exponent, nats per character


class Curve:
    """Rows of `width` numbers, at most `capacity` of them: when it is full, neighbours are merged in pairs.

    From then on a row stands for twice as many steps as before. A merged row is the mean of the two, weighted by the
    steps that each stands for.
    """

    def __init__(self, width: int, capacity: int) -> None:
        self._rows = np.zeros((capacity, width + 1))  # the last column is the weight: how many steps a row stands for
        self._count = 0
        self._stride = 1.0  # steps that a new row stands for
        self._pending = np.zeros(width + 1)  # sum of the steps that will become the next row; the last is their number
        self._latest = 0.0  # first column of the row added last

    def add(self, row: Array) -> None:
        """Append a row (width,) that stands for one step."""
        self._pending[:-1] += row
        self._pending[-1] += 1
        self._latest = float(row[0])
        if self._pending[-1] < self._stride:
            return
        if self._count == len(self._rows):
            pairs = self._rows.reshape(-1, 2, self._rows.shape[1])
            weights = pairs[:, :, -1:]
            merged = (pairs * weights).sum(axis=1) / weights.sum(axis=1)
            merged[:, -1] = weights.sum(axis=1)[:, 0]
            self._count = len(merged)
            self._rows[: self._count] = merged
            self._stride *= 2
        self._rows[self._count, :-1] = self._pending[:-1] / self._pending[-1]
        self._rows[self._count, -1] = self._pending[-1]
        self._count += 1
        self._pending[:] = 0

    def forget_after(self, limit: float) -> None:
        """Drop the rows whose first column is above `limit`."""
        self._count = int(np.searchsorted(self._rows[: self._count, 0], limit, side="right"))
        if self._latest > limit:
            self._pending[:] = 0

    def rows(self) -> Array:
        """A copy of the rows so far, (points, width). The last one may stand for fewer steps than the others."""
        rows = self._rows[: self._count, :-1]
        if self._pending[-1]:
            return np.vstack([rows, self._pending[:-1] / self._pending[-1]])
        return rows.copy()


class HistoryKeeper:
    """Collects the numbers of every step; `history` returns at most RECENT + POINTS + 1 points for each curve."""

    def __init__(self, smoothing: float = 0.98) -> None:
        self.smoothing = smoothing
        self._old = Curve(5, POINTS)
        self._recent = np.zeros((RECENT, 5))
        self._taken = 0
        self._average = 0.0
        self._weight = 0.0
        self._validation = Curve(4, POINTS)
        self._reach = Curve(3, POINTS)
        self._lambda1 = Curve(2, POINTS)

    def val_loss_at(self, step: int) -> float | None:
        """The last validation loss that was measured until `step`; None before the first."""
        rows = self._validation.rows()
        measured = int(np.searchsorted(rows[:, 0], step, side="right"))
        return float(rows[measured - 1, 3]) if measured else None

    @property
    def smoothed(self) -> float:
        """Exponential mean of the training loss, corrected for its start at zero as in Adam; NaN without a loss."""
        return self._average / self._weight if self._weight else float("nan")

    def add(self, step: int, epoch: float, seconds: float, loss: float, steps: int = 1) -> None:
        """Add a training loss. A line of a log stands for several steps; `steps` says for how many."""
        if math.isfinite(loss):
            decay = self.smoothing**steps
            self._average = decay * self._average + (1 - decay) * loss
            self._weight = decay * self._weight + (1 - decay)
        place = self._taken % RECENT
        if self._taken >= RECENT:
            self._old.add(self._recent[place])
        self._recent[place] = step, epoch, seconds, loss, self.smoothed
        self._taken += 1

    def add_validation(self, step: int, epoch: float, seconds: float, loss: float) -> None:
        """Add a validation loss."""
        self._validation.add(np.array([step, epoch, seconds, loss]))

    def add_reach(self, step: int, reach: float, standard_error: float = np.nan) -> None:
        """Add a measured reach with its standard error, in characters."""
        self._reach.add(np.array([step, reach, standard_error]))

    def add_lambda1(self, step: int, lambda1: float) -> None:
        """Add a measured λ₁, in nats per character."""
        self._lambda1.add(np.array([step, lambda1]))

    def forget_after(self, step: int) -> None:
        """Drop all points after step `step`, because the run goes back to it."""
        for curve in (self._old, self._validation, self._reach, self._lambda1):
            curve.forget_after(step)
        recent = self._in_order()
        recent = recent[recent[:, 0] <= step]
        self._taken = len(recent)
        self._recent[: len(recent)] = recent
        points = np.vstack([self._old.rows(), recent])
        self._average, self._weight = (float(points[-1, 4]), 1.0) if len(points) else (0.0, 0.0)

    def _in_order(self) -> Array:
        if self._taken < RECENT:
            return self._recent[: self._taken].copy()
        return np.roll(self._recent, -(self._taken % RECENT), axis=0)

    def history(self) -> History:
        """Read-only copies of all curves."""
        step, epoch, seconds, loss, smoothed = np.vstack([self._old.rows(), self._in_order()]).T.copy()
        val_step, val_epoch, val_seconds, val_loss = self._validation.rows().T.copy()
        reach_step, reach, reach_se = self._reach.rows().T.copy()
        lambda1_step, lambda1 = self._lambda1.rows().T.copy()
        history = History(
            step.astype(np.int64), epoch, seconds, loss, smoothed,
            val_step.astype(np.int64), val_epoch, val_seconds, val_loss,
            reach_step.astype(np.int64), reach, reach_se,
            lambda1_step.astype(np.int64), lambda1,
        )  # fmt: skip
        for name in History.__slots__:
            frozen(getattr(history, name))
        return history
