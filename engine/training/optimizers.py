"""Optimisers over the flat parameter vector: each has PyTorch's formula and PyTorch's defaults.

An optimiser is its state (named arrays as long as the parameters, and a step count) and `update`,
which changes the parameters in place.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from engine.arrays import Array
from engine.syntax import Clip

Slots = dict[str, Array]

BLOCK = 1 << 15  # parameters that are changed at a time: all that belongs to them stays in the nearer caches


class Optimizer(ABC):
    """`slots` (P,) arrays by name and `steps` done are all there is to save.

    A member of a team changes its `part` of the parameters; `zeros` makes arrays that all members see.
    """

    slot_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, flat: Array, part: slice | None = None, zeros: Callable[..., Array] = np.zeros) -> None:
        self.steps = 0
        self.slots: Slots = {name: zeros(flat.shape, flat.dtype) for name in self.slot_names}
        self._part = part or slice(0, len(flat))
        self._scratch = np.empty(BLOCK, flat.dtype)

    def step(self, flat: Array, gradient: Array, lr: float) -> None:
        """Change the part of `flat` (P,) in place by one step along `gradient` (P,)."""
        self.steps += 1
        for start in range(self._part.start, self._part.stop, BLOCK):
            block = slice(start, min(start + BLOCK, self._part.stop))
            slots = {name: slot[block] for name, slot in self.slots.items()}
            self.update(flat[block], gradient[block], slots, self._scratch[: block.stop - start], lr)

    @abstractmethod
    def update(self, flat: Array, gradient: Array, slots: Slots, scratch: Array, lr: float) -> None:
        """The same for some parameters; all arrays are as long as they are."""


class SGD(Optimizer):
    """θ ← θ − η g."""

    def update(self, flat: Array, gradient: Array, slots: Slots, scratch: Array, lr: float) -> None:
        np.multiply(gradient, lr, out=scratch)
        np.subtract(flat, scratch, out=flat)


class Momentum(Optimizer):
    """v ← μ v + g;  θ ← θ − η v, with μ = 0.9 (`torch.optim.SGD(momentum=0.9)`)."""

    slot_names = ("velocity",)
    momentum = 0.9

    def update(self, flat: Array, gradient: Array, slots: Slots, scratch: Array, lr: float) -> None:
        velocity = slots["velocity"]
        np.multiply(velocity, self.momentum, out=velocity)
        np.add(velocity, gradient, out=velocity)
        np.multiply(velocity, lr, out=scratch)
        np.subtract(flat, scratch, out=flat)


class Adagrad(Optimizer):
    """s ← s + g²;  θ ← θ − η g / (√s + ε), ε = 1e-10. Duchi et al. 2011."""

    slot_names = ("sum",)
    eps = 1e-10

    def update(self, flat: Array, gradient: Array, slots: Slots, scratch: Array, lr: float) -> None:
        total = slots["sum"]
        np.multiply(gradient, gradient, out=scratch)
        np.add(total, scratch, out=total)
        np.sqrt(total, out=scratch)
        np.add(scratch, self.eps, out=scratch)
        np.divide(gradient, scratch, out=scratch)
        np.multiply(scratch, lr, out=scratch)
        np.subtract(flat, scratch, out=flat)


class RMSprop(Optimizer):
    """s ← α s + (1 − α) g²;  θ ← θ − η g / (√s + ε), α = 0.99, ε = 1e-8. Tieleman & Hinton 2012."""

    slot_names = ("square_avg",)
    alpha = 0.99
    eps = 1e-8

    def update(self, flat: Array, gradient: Array, slots: Slots, scratch: Array, lr: float) -> None:
        average = slots["square_avg"]
        np.multiply(gradient, gradient, out=scratch)
        np.multiply(scratch, 1 - self.alpha, out=scratch)
        np.multiply(average, self.alpha, out=average)
        np.add(average, scratch, out=average)
        np.sqrt(average, out=scratch)
        np.add(scratch, self.eps, out=scratch)
        np.divide(gradient, scratch, out=scratch)
        np.multiply(scratch, lr, out=scratch)
        np.subtract(flat, scratch, out=flat)


class Adam(Optimizer):
    """m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²;  θ ← θ − η m̂ / (√v̂ + ε).

    m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ), β = (0.9, 0.999), ε = 1e-8. Kingma & Ba 2015.
    """

    slot_names = ("exp_avg", "exp_avg_sq")
    beta1, beta2, eps = 0.9, 0.999, 1e-8
    weight_decay = 0.0

    def update(self, flat: Array, gradient: Array, slots: Slots, scratch: Array, lr: float) -> None:
        mean, square = slots["exp_avg"], slots["exp_avg_sq"]
        if self.weight_decay:
            np.multiply(flat, 1 - lr * self.weight_decay, out=flat)
        np.multiply(gradient, gradient, out=scratch)
        np.multiply(scratch, 1 - self.beta2, out=scratch)
        np.multiply(square, self.beta2, out=square)
        np.add(square, scratch, out=square)
        np.multiply(gradient, 1 - self.beta1, out=scratch)
        np.multiply(mean, self.beta1, out=mean)
        np.add(mean, scratch, out=mean)
        # η m̂ / (√v̂ + ε) with the corrections moved into two scalars: one pass fewer.
        correction = math.sqrt(1 - self.beta2**self.steps)
        np.sqrt(square, out=scratch)
        np.add(scratch, self.eps * correction, out=scratch)
        np.divide(mean, scratch, out=scratch)
        np.multiply(scratch, lr * correction / (1 - self.beta1**self.steps), out=scratch)
        np.subtract(flat, scratch, out=flat)


class AdamW(Adam):
    """Adam with decoupled weight decay, θ ← (1 − η λ) θ first, λ = 0.01. Loshchilov & Hutter 2019."""

    weight_decay = 0.01


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
}


def clip_to(gradient: Array, clip: Clip, norm: float) -> None:
    """Clip a gradient of global norm `norm`, or a part of one, in place.

    By norm as PyTorch: g · min(1, limit / (‖g‖ + 1e-6)). Pascanu et al. 2013.
    """
    if clip.kind == "norm" and norm > clip.limit - 1e-6:
        np.multiply(gradient, clip.limit / (norm + 1e-6), out=gradient)
    elif clip.kind == "value":
        np.clip(gradient, -clip.limit, clip.limit, out=gradient)
