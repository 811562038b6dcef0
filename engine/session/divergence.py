"""When training has diverged: numbers that are not finite, or a loss far above that of guessing."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from engine.arrays import Array
from engine.session.pace import REPORT_EVERY
from engine.training.trainer import Step

EXPLODED = 3.0  # times ln V, the loss of guessing: a smoothed loss above it is an explosion


class Good(NamedTuple):
    """Weights to go back to, with what was known of them."""

    arrays: dict[str, Array]
    meta: dict[str, Any]
    last: Step | None
    val_loss: float | None
    val_loss_se: float | None
    stale: int  # validations since the best one


class Explosion:
    """Tells an explosion by its loss, for a network with `vocabulary_size` characters."""

    def __init__(self, vocabulary_size: int) -> None:
        self._guessing = math.log(max(2, vocabulary_size))  # the loss of guessing, in nats per character

    def is_at(self, loss: float) -> bool:
        """Whether a `loss`, in nats per character, is one; NaN is."""
        return not loss <= EXPLODED * self._guessing

    def sentence(self, loss: float) -> str:
        """What to say of it."""
        return f"the loss is {loss:.3g}, far above guessing ({self._guessing:.1f})"

    def trouble(self, step: Step, smoothed: float) -> str:
        """Why training cannot go on after `step`, with this `smoothed` loss; empty if it can."""
        if not math.isfinite(step.loss):
            return "the loss is not a number any more"
        if not math.isfinite(step.grad_norm):
            return "the gradient is not a number any more"
        return self.sentence(smoothed) if step.step > REPORT_EVERY and self.is_at(smoothed) else ""
