"""What the steps of a run add up to: its time, its speed, and what the next line of metrics says of them."""

from __future__ import annotations

from typing import Any

from engine.session.clipping import ClippedShare
from engine.session.pace import STEADY_SECONDS, Speed
from engine.training.training import Step


class Progress:
    """The sums over steps of `characters` each. `is_clipping` says whether gradients are clipped."""

    def __init__(self, characters: int, is_clipping: bool) -> None:
        self._characters = characters
        self.seconds = 0.0  # of training, pauses not counted
        self.speed, self.steady_speed = Speed(), Speed(STEADY_SECONDS)
        self.losses: list[float] = []  # of the steps since the last line of metrics
        self.clipped = ClippedShare(is_clipping)

    def add(self, step: Step, elapsed: float) -> None:
        """Count a step that took `elapsed` seconds."""
        self.seconds += elapsed
        self.speed.add(self._characters, elapsed)
        self.steady_speed.add(self._characters, elapsed)
        self.losses.append(step.loss)
        self.clipped.add(step.clipped)

    def row(self, step: Step) -> dict[str, Any]:
        """The line of metrics after `step`, without what a validation measures."""
        row = {
            "step": step.step,
            "epoch": round(step.epoch, 4),
            "loss": sum(self.losses) / len(self.losses),
            "lr": step.lr,
            "grad_norm": step.grad_norm,
            "chars_per_second": round(self.speed.per_second),
            "time": round(self.seconds, 3),
        }
        if (clipped := self.clipped.report(len(self.losses))) is not None:
            row["clipped"] = clipped
        return row

    def begin_line(self) -> None:
        """Begin another line of metrics, after the one that was written."""
        self.losses.clear()
        self.clipped.since_report = 0

    def forget(self) -> None:
        """Begin anew: the run has gone back to earlier weights."""
        self.losses.clear()
        self.clipped.forget()

    def seconds_for(self, steps: int) -> float | None:
        """The time for `steps` more steps, in seconds, at the recent speed; None where there is no speed yet."""
        speed = self.steady_speed.per_second
        return steps * self._characters / speed if speed else None
