"""Settings that are small texts: the schedule, the clipping rule, the initial weights, the marked moments.

Each has a function that reads it, and raises `ValueError` with a sentence for the user.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

# In float32, in which is trained, numbers up to 3.4e38 are finite. Two weights are multiplied before any non-linearity.
MOST_CLIP, MOST_STD = 1e38, 1e15
MOST_EPOCHS = 1e15


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the learning rate changes from step to step.

    First a linear rise over `warmup` steps, then one of: `constant`; `step`, times `decay` after `start` steps and
    again after every `steps` more; `cosine`, down to 0 over `steps` steps and 0 from then on (Loshchilov & Hutter 2017,
    without restarts).
    """

    kind: Literal["constant", "step", "cosine"] = "constant"
    steps: int = 0
    decay: float = 1.0
    start: int = 0
    warmup: int = 0

    def factor(self, step: int) -> float:
        """What the base rate is multiplied by in training step `step`, counted from 0."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        step -= self.warmup
        if self.kind == "step":
            return self.decay ** max(0, 1 + (step - self.start) // self.steps)
        if self.kind == "cosine":
            return 0.5 * (1 + math.cos(math.pi * min(step / self.steps, 1)))
        return 1.0


def parse_schedule(text: str, epoch: int = 1) -> Schedule:
    """Read `[warmup:N,]constant | step:EVERY:FACTOR[:FIRST] | cosine:N`; after a warm-up, nothing means constant.

    EVERY, FIRST and N are training steps, or epochs if an `e` follows, as in `step:5e:0.5`; an epoch has `epoch` steps.
    Without FIRST, the rate falls first after EVERY.
    """
    usage = (
        f"{text!r} is none of constant, step:EVERY:FACTOR, step:EVERY:FACTOR:FIRST, cosine:N, in steps, or in epochs "
        "as in step:5e:0.5; each may follow a warm-up, as in warmup:100,cosine:5000"
    )
    warmup = 0
    rest = text.strip()
    try:
        if rest.startswith("warmup:"):
            head, _, rest = rest.partition(",")
            warmup = _span(head.removeprefix("warmup:"), epoch)
        kind, *numbers = (rest or "constant").split(":")
        match kind, numbers:
            case "constant", []:
                schedule = Schedule("constant", warmup=warmup)
            case "step", [every, decay, *first] if len(first) < 2:
                steps = _span(every, epoch)
                start = _span(first[0], epoch) if first else steps
                schedule = Schedule("step", steps, float(decay), start, warmup)
            case "cosine", [steps]:
                schedule = Schedule("cosine", _span(steps, epoch), warmup=warmup)
            case _:
                raise ValueError(usage)
    except ValueError:
        raise ValueError(usage) from None
    spans = schedule.steps, schedule.start
    if warmup < 0 or min(spans) < 0 or (schedule.kind != "constant" and schedule.steps < 1):
        raise ValueError(usage)
    if not 0 < schedule.decay <= 1:
        raise ValueError(usage)
    return schedule


def _span(text: str, epoch: int) -> int:
    """Training steps in a span such as `100`, or `2.5e` for epochs of `epoch` steps: the nearest number, at least 1."""
    if not text.endswith("e"):
        return int(text)
    epochs = float(text[:-1])
    if not 0 < epochs <= MOST_EPOCHS:
        raise ValueError(text)
    return max(1, round(epochs * epoch))


def parse_moments(text: str, epoch: int = 1) -> frozenset[int]:
    """Read steps with commas between, such as `0,500`, or `11e` for the step at the end of 11 epochs of `epoch` steps.

    An empty text has none.
    """
    try:
        steps = frozenset(_span(each.strip(), epoch) for each in text.split(",") if text.strip())
    except ValueError:
        steps = frozenset({-1})
    if min(steps, default=0) < 0:
        raise ValueError(f"{text!r} is no list of steps such as 0,500,2000, or of epochs such as 11e,22e")
    return steps


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


@dataclass(frozen=True, slots=True)
class Init:
    """How weights are drawn. `scale` is the bound of `uniform` (None: 1/√H), or the standard deviation of `normal`."""

    kind: Literal["uniform", "normal", "orthogonal", "identity"] = "uniform"
    scale: float | None = None


def parse_init(text: str) -> Init:
    """Read `uniform`, `uniform:BOUND`, `normal:STD`, `orthogonal` or `identity`."""
    kind, colon, scale = text.strip().partition(":")
    usage = f"{text!r} is none of uniform, uniform:BOUND, normal:STD, orthogonal, identity, with BOUND and STD above 0"
    match kind, bool(colon):
        case (("uniform" | "orthogonal" | "identity"), False):
            return Init(kind)
        case (("uniform" | "normal"), True):
            pass
        case _:
            raise ValueError(usage)
    try:
        value = float(scale)
    except ValueError:
        raise ValueError(usage) from None
    if not value > 0:
        raise ValueError(usage)
    if value > MOST_STD:
        raise ValueError(f"{text!r} is too large; at most {MOST_STD:g}")
    return Init(kind, value)
