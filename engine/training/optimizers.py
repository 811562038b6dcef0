"""Optimisers over the flat vector θ of all P parameters, with PyTorch's formulas and constants.

The state of an optimiser is a count of steps and its slots, arrays of length P that begin at zero. `update` changes θ
and the slots in place along the gradient g = ∂ℓ/∂θ, with the learning rate η. All operations in the formulas are
element by element. A new optimiser is a class with `slot_names` and `update`, and a line in `OPTIMIZERS`.
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

BLOCK = 1 << 15  # parameters that are changed at a time: with slots and gradient they fit into the inner caches


class Optimizer(ABC):
    """An optimiser of `flat` (P,). Its whole state is `slots`, (P,) arrays by name, and `steps`, the steps done so far.

    In a group, `part` is the slice of the parameters that this process changes, and `zeros` makes shared arrays.
    """

    slot_names: ClassVar[tuple[str, ...]] = ()

    def __init__(self, flat: Array, part: slice | None = None, zeros: Callable[..., Array] = np.zeros) -> None:
        self.steps = 0
        self.slots: Slots = {name: zeros(flat.shape, flat.dtype) for name in self.slot_names}
        self._part = part or slice(0, len(flat))
        self._scratch = np.empty(BLOCK, flat.dtype)

    def step(self, flat: Array, gradient: Array, lr: float) -> None:
        """Change this process's part of `flat` (P,) in place along `gradient` (P,), at learning rate `lr`."""
        self.steps += 1
        for start in range(self._part.start, self._part.stop, BLOCK):
            block = slice(start, min(start + BLOCK, self._part.stop))
            slots = {name: slot[block] for name, slot in self.slots.items()}
            self.update(flat[block], gradient[block], slots, self._scratch[: block.stop - start], lr)

    @abstractmethod
    def update(self, flat: Array, gradient: Array, slots: Slots, scratch: Array, lr: float) -> None:
        """Change `flat` and `slots` in place by one step along `gradient`, with learning rate `lr`.

        All arrays belong to the same n ≤ BLOCK parameters and have the shape (n,). `scratch` is for intermediate
        results. `self.steps` already counts this step.
        """


def descend(flat: Array, rate: float, direction: Array, square: Array, eps: float, scratch: Array) -> None:
    """θ ← θ − rate · direction / (√square + ε), in place. `flat` is θ; all arrays are (n,); overwrites `scratch`."""
    np.sqrt(square, out=scratch)
    np.add(scratch, eps, out=scratch)
    np.divide(direction, scratch, out=scratch)
    np.multiply(scratch, rate, out=scratch)
    np.subtract(flat, scratch, out=flat)


class SGD(Optimizer):
    """Stochastic gradient descent. No slots.

        θ ← θ − η g

    Robbins and Monro, A stochastic approximation method, 1951. `torch.optim.SGD`.
    """

    def update(self, flat: Array, gradient: Array, slots: Slots, scratch: Array, lr: float) -> None:
        np.multiply(gradient, lr, out=scratch)
        np.subtract(flat, scratch, out=flat)


class Momentum(Optimizer):
    """Gradient descent with momentum: steps along a decaying sum of gradients. Slot `velocity` v, momentum μ = 0.9.

        v ← μ v + g
        θ ← θ − η v

    Polyak, Some methods of speeding up the convergence of iteration methods, 1964. `torch.optim.SGD(momentum=0.9)`.
    """

    slot_names = ("velocity",)
    momentum = 0.9

    def update(self, flat: Array, gradient: Array, slots: Slots, scratch: Array, lr: float) -> None:
        velocity = slots["velocity"]
        np.multiply(velocity, self.momentum, out=velocity)
        np.add(velocity, gradient, out=velocity)
        np.multiply(velocity, lr, out=scratch)
        np.subtract(flat, scratch, out=flat)


class Adagrad(Optimizer):
    """Adagrad: a parameter's rate falls with the sum of its squared gradients. Slot `sum` s, ε = 1e-10.

        s ← s + g²
        θ ← θ − η g / (√s + ε)

    Duchi, Hazan and Singer, Adaptive subgradient methods for online learning and stochastic optimization, 2011.
    """

    slot_names = ("sum",)
    eps = 1e-10

    def update(self, flat: Array, gradient: Array, slots: Slots, scratch: Array, lr: float) -> None:
        total = slots["sum"]
        np.multiply(gradient, gradient, out=scratch)
        np.add(total, scratch, out=total)
        descend(flat, lr, gradient, total, self.eps, scratch)


class RMSprop(Optimizer):
    """RMSprop: the gradient over its root mean square. Slot `square_avg` s, ε = 1e-8; α = 0.99, which a run may change.

        s ← α s + (1 − α) g²
        θ ← θ − η g / (√s + ε)

    Tieleman and Hinton, Lecture 6.5, rmsprop, 2012.
    """

    slot_names = ("square_avg",)
    alpha = 0.99
    eps = 1e-8

    def update(self, flat: Array, gradient: Array, slots: Slots, scratch: Array, lr: float) -> None:
        average = slots["square_avg"]
        np.multiply(gradient, gradient, out=scratch)
        np.multiply(scratch, 1 - self.alpha, out=scratch)
        np.multiply(average, self.alpha, out=average)
        np.add(average, scratch, out=average)
        descend(flat, lr, gradient, average, self.eps, scratch)


class Adam(Optimizer):
    """Adam: the mean gradient over its root mean square, both corrected for their start at zero.

    Slots `exp_avg` m and `exp_avg_sq` v; β₁ = 0.9, β₂ = 0.999, ε = 1e-8; t is the number of the step, from 1.

        m ← β₁ m + (1 − β₁) g
        v ← β₂ v + (1 − β₂) g²
        θ ← θ − η m̂ / (√v̂ + ε),    m̂ = m / (1 − β₁ᵗ),    v̂ = v / (1 − β₂ᵗ)

    Kingma and Ba, Adam: a method for stochastic optimization, 2015.
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
        # η m̂ / (√v̂ + ε), both corrections as scalars, with c = √(1 − β₂ᵗ):  (η c / (1 − β₁ᵗ)) · m / (√v + ε c).
        correction = math.sqrt(1 - self.beta2**self.steps)
        rate = lr * correction / (1 - self.beta1**self.steps)
        descend(flat, rate, mean, square, self.eps * correction, scratch)


class AdamW(Adam):
    """Adam with decoupled weight decay: before each step of Adam all parameters shrink by a factor. λ = 0.01.

        θ ← (1 − η λ) θ
        m ← β₁ m + (1 − β₁) g
        v ← β₂ v + (1 − β₂) g²
        θ ← θ − η m̂ / (√v̂ + ε),    m̂ = m / (1 − β₁ᵗ),    v̂ = v / (1 − β₂ᵗ)

    Slots `exp_avg` m and `exp_avg_sq` v; β₁ = 0.9, β₂ = 0.999, ε = 1e-8.
    Loshchilov and Hutter, Decoupled weight decay regularization, 2019.
    """

    weight_decay = 0.01


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
}


def clip_to(gradient: Array, clip: Clip, norm: float) -> bool:
    """Clip `gradient` (n,) in place; return whether that changed it.

    It is a gradient g or a part of one; `norm` is the norm of the whole of g.

    By norm: g · min(1, limit / (‖g‖ + 1e-6)), as `torch.nn.utils.clip_grad_norm_` (Pascanu, Mikolov and Bengio, On the
    difficulty of training recurrent neural networks, 2013). By value: each element is limited to −limit … limit.
    """
    if clip.kind == "norm" and norm > clip.limit - 1e-6:
        np.multiply(gradient, clip.limit / (norm + 1e-6), out=gradient)
        return True
    if clip.kind == "value" and max(gradient.max(initial=0), -gradient.min(initial=0)) > clip.limit:
        np.clip(gradient, -clip.limit, clip.limit, out=gradient)
        return True
    return False
