"""Settings that are small texts: the schedule, the clipping rule, the initial weights.

Each has a function that reads it, and raises `ValueError` with a sentence for the user.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

# In float32, in which is trained, numbers up to 3.4e38 are finite. Two weights are multiplied before any non-linearity.
MOST_CLIP, MOST_STD = 1e38, 1e15


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the learning rate changes from step to step.

    First a linear rise over `warmup` steps, then one of: `constant`; `step`, times `decay` after every `steps` steps;
    `cosine`, down to 0 over `steps` steps and 0 from then on (Loshchilov & Hutter 2017, without restarts).
    """

    kind: Literal["constant", "step", "cosine"] = "constant"
    steps: int = 0
    decay: float = 1.0
    warmup: int = 0

    def factor(self, step: int) -> float:
        """What the base rate is multiplied by in training step `step`, counted from 0."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        step -= self.warmup
        if self.kind == "step":
            return self.decay ** (step // self.steps)
        if self.kind == "cosine":
            return 0.5 * (1 + math.cos(math.pi * min(step / self.steps, 1)))
        return 1.0


def parse_schedule(text: str) -> Schedule:
    """Read `[warmup:N,]constant | step:EVERY:FACTOR | cosine:STEPS`; after a warm-up, nothing means constant."""
    usage = (
        f"{text!r} is none of constant, step:EVERY:FACTOR, cosine:STEPS; each may follow a warm-up, as in "
        "warmup:100,cosine:5000"
    )
    warmup = 0
    rest = text.strip()
    try:
        if rest.startswith("warmup:"):
            head, _, rest = rest.partition(",")
            warmup = int(head.removeprefix("warmup:"))
        kind, *numbers = (rest or "constant").split(":")
        match kind, numbers:
            case "constant", []:
                schedule = Schedule("constant", warmup=warmup)
            case "step", [every, decay]:
                schedule = Schedule("step", int(every), float(decay), warmup)
            case "cosine", [steps]:
                schedule = Schedule("cosine", int(steps), warmup=warmup)
            case _:
                raise ValueError(usage)
    except ValueError:
        raise ValueError(usage) from None
    if warmup < 0 or (schedule.kind != "constant" and schedule.steps < 1) or not 0 < schedule.decay <= 1:
        raise ValueError(usage)
    return schedule


@dataclass(frozen=True, slots=True)
class Clip:
    """How gradients are clipped: the norm over all parameters, each value by itself, or not at all."""

    kind: Literal["none", "norm", "value"]
    limit: float = math.inf


def parse_clip(text: str) -> Clip:
    """Read `none`, `norm:MAX`, `value:MAX` or a bare number, which is a norm."""
    usage = f"{text!r} is none of none, norm:MAX, value:MAX with MAX above 0"
    kind, _, limit = text.strip().rpartition(":")
    if limit == "none" and not kind:
        return Clip("none")
    try:
        value = float(limit)
    except ValueError:
        raise ValueError(usage) from None
    if value > MOST_CLIP:
        raise ValueError(f"{text!r} is too large; at most {MOST_CLIP:g}")
    if not value > 0:
        raise ValueError(usage)
    if kind in ("", "norm"):
        return Clip("norm", value)
    if kind == "value":
        return Clip("value", value)
    raise ValueError(usage)


def parse_init(text: str) -> float | None:
    """Read `uniform` (None) or `normal:STD` (its standard deviation)."""
    kind, _, std = text.strip().partition(":")
    usage = f"{text!r} is none of uniform, normal:STD with STD above 0"
    if kind == "uniform" and not std:
        return None
    try:
        value = float(std)
    except ValueError:
        raise ValueError(usage) from None
    if kind != "normal" or not value > 0:
        raise ValueError(usage)
    if value > MOST_STD:
        raise ValueError(f"{text!r} is too large; at most {MOST_STD:g}")
    return value
