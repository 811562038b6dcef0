"""When training has diverged (numbers that are not finite, or a loss far above that of guessing), and the way back."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from typing import Any, NamedTuple

from engine.arrays import Array
from engine.session.live_run import LiveRun
from engine.session.pace import REPORT_EVERY
from engine.session.validations import Validations
from engine.training.training import Step

EXPLODED = 3.0  # times ln V, the loss of guessing: a smoothed loss above it is an explosion


class Good(NamedTuple):
    """Weights to go back to, with what was known of them."""

    arrays: dict[str, Array]
    meta: dict[str, Any]
    last: Step | None
    validations: Validations


class Explosion:
    """Recognises an explosion by its loss, for a network with `vocabulary_size` characters."""

    def __init__(self, vocabulary_size: int) -> None:
        self._guessing = math.log(max(2, vocabulary_size))  # the loss of guessing, in nats per character

    def is_at(self, loss: float) -> bool:
        """Whether a `loss`, in nats per character, is one; NaN is."""
        return not loss <= EXPLODED * self._guessing

    def sentence(self, loss: float) -> str:
        """Why the run stops at such a `loss`, in words."""
        return f"the loss is {loss:.3g}, far above guessing ({self._guessing:.1f})"

    def trouble(self, step: Step, smoothed: float) -> str:
        """Why training cannot go on after `step`, with this `smoothed` loss; empty if it can."""
        if not math.isfinite(step.loss):
            return "the loss is not a number any more"
        if not math.isfinite(step.grad_norm):
            return "the gradient is not a number any more"
        return self.sentence(smoothed) if step.step > REPORT_EVERY and self.is_at(smoothed) else ""


class Safeguard:
    """Watches over a run: it notices when training has diverged, and keeps good weights to go back to.

    Good weights are finite and have a finite loss.
    """

    def __init__(self, run: LiveRun) -> None:
        self._run = run
        self.explosion = Explosion(run.trainer.parameters.architecture.vocabulary_size)
        self.good = self.here() if run.trainer.restore else None  # None where there is no way back

    def trouble(self, step: Step) -> str:
        """Why training cannot go on after `step`; empty if it can."""
        run = self._run
        if not run.trainer.is_ours:
            return "" if math.isfinite(step.loss) else "the loss is not a number any more"
        return self.explosion.trouble(step, run.history.smoothed) or (
            "" if run.trainer.has_finite_weights else "a weight is not a number any more"
        )

    def here(self) -> Good:
        """The present weights."""
        run = self._run
        return Good(*run.trainer.state(), run.last, dataclasses.replace(run.validations))

    def note(self, loss: float) -> None:
        """Remember these weights to go back to, unless their `loss` says that an explosion has begun."""
        trainer = self._run.trainer
        if trainer.restore and not self.explosion.is_at(loss) and trainer.is_finite:
            with contextlib.suppress(MemoryError):  # the weights before stay the ones to go back to
                self.good = self.here()

    def go_back(self) -> bool:
        """Put the good weights back; returns whether it did, for somebody else's loop is left alone.

        The learning rate stays: each roll-back lowers it further.
        """
        run, lr, restore = self._run, self._run.trainer.lr, self._run.trainer.restore
        if restore is None or self.good is None:
            return False
        restore(self.good.arrays, self.good.meta)
        run.trainer.lr = lr
        run.last = self.good.last
        run.validations.go_back(self.good.validations)
        run.instruments.forget()
        run.held_units.measure(run.validations.loss)
        return True

    def loss_now(self) -> float:
        """The loss of the present weights over the validation text, or over some training text if there is no other."""
        trainer = self._run.trainer
        losses = trainer.validate()
        return losses.mean if losses else trainer.training_loss()
