"""The validation losses of a run: the last one and the best one."""

from __future__ import annotations

from dataclasses import dataclass

from engine.text.stretches import StretchLosses


@dataclass(slots=True)
class Validations:
    """Losses and their standard errors in nats per character; None before the first validation."""

    loss: float | None = None  # the last one
    loss_se: float | None = None
    best: float | None = None
    regret: float | None = None  # of the best one, where an oracle's loss is known
    regret_se: float | None = None
    stale: int = 0  # validations since the best one

    def add(self, losses: StretchLosses, regret: StretchLosses | None) -> bool:
        """Note a validation, and how far it lies above an oracle; return whether it is the best one so far."""
        self.loss, self.loss_se = losses.mean, losses.standard_error
        if self.best is not None and self.loss >= self.best:
            self.stale += 1
            return False
        self.best, self.stale = self.loss, 0
        self.regret, self.regret_se = (regret.mean, regret.standard_error) if regret else (None, None)
        return True

    def go_back(self, before: Validations) -> None:
        """Make those of earlier weights the last ones; the best loss stays."""
        self.loss, self.loss_se, self.stale = before.loss, before.loss_se, before.stale
