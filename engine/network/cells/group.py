"""Processes that run one network together, each with some of the units of every layer.

Two halves of a batch would each multiply by all weights, and OpenBLAS would copy these twice (see `products.py`). With
half of the units each, but the whole batch, every process copies only its own weights. In return the processes wait for
each other at every time step: each needs h_{t−1} of all units, and on the way back δ_t of all.

What follows a sweep is divided by time steps instead: the head, the gradients of the weights, and that of the layer's
input. All are products over the rows of many steps.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike

from engine import arrays


class UnitGroup(Protocol):
    """A group of `size` processes, as one of them sees it."""

    size: int

    def part(self, count: int) -> slice:
        """The slice of `count` units or time steps that this process computes."""

    def barrier(self) -> None:
        """Wait until all processes have reached this barrier. Then each sees what the others wrote before it."""

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> Any:
        """A new array of zeros that all processes share. All must ask for the same arrays in the same order."""


class Alone:
    """A group of one process, which computes all units."""

    size = 1

    def part(self, count: int) -> slice:
        return slice(0, count)

    def barrier(self) -> None:
        """There is no other process to wait for."""

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray[Any, Any]:
        return arrays.zeros(shape, dtype)


ALONE = Alone()
