"""Learning-rate schedules: the factor by which the base rate is multiplied at each step."""

from __future__ import annotations

import math

from engine.config import Schedule


def factor(schedule: Schedule, step: int) -> float:
    """The factor for step number `step`, counted from 0.

    Warm-up rises linearly to 1 over its steps, the schedule itself starts after it. `step` multiplies by its factor
    every so many steps. `cosine` falls to 0 over its steps and stays there (Loshchilov and Hutter, SGDR: stochastic
    gradient descent with warm restarts, 2017, here without restarts).
    """
    if step < schedule.warmup:
        return (step + 1) / schedule.warmup
    step -= schedule.warmup
    if schedule.kind == "step":
        return schedule.factor ** (step // schedule.steps)
    if schedule.kind == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(step / schedule.steps, 1)))
    return 1.0
