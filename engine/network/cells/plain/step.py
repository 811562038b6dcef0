"""What the plain cells share: the parameters of a layer, and what one step forward and one step back have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike

from engine.arrays import Array


class Weights(NamedTuple):
    """The parameters of one layer, or their gradient. Of mingru and minlstm the second and the last have no rows."""

    weight_ih: Array  # (G·H, D)
    weight_hh: Array  # (G·H, H)
    bias_ih: Array  # (G·H,)
    bias_hh: Array  # (G·H,)


def weights_of(views: Mapping[str, Array], hidden_size: int, dtype: DTypeLike = np.float64) -> Weights:
    """A copy in `dtype` of one layer's parameters, by their names; those that the cell does not have have no rows.

    The matrices lie column by column: with few rows x, `x @ W.T` is faster so.
    """
    none = {"weight_hh": np.zeros((0, hidden_size), dtype), "bias_hh": np.zeros(0, dtype)}
    return Weights(**none | {kind: view.astype(dtype, order="F") for kind, view in views.items()})


class Step:
    """One step of a cell, with all that it computed; a cell with more states than h overrides `state`."""

    x: Array  # (B, D)
    h_before: Array  # (B, H): h_{t−1}
    h: Array  # (B, H)

    @property
    def state(self) -> tuple[Array, ...]:
        """What the next step begins with, (B, H) each."""
        return (self.h,)

    def repeated(self, count: int) -> Self:
        """The step with each row of its arrays `count` times, (B·count, …), one for each change that is followed.

        A single row fits all of them as it is.
        """
        if count == 1 or len(self.h) == 1:
            return self
        return type(self)(**{name: np.repeat(rows, count, axis=0) for name, rows in vars(self).items()})


class StepBack(NamedTuple):
    """The gradients that one step back computes."""

    d_input: Array  # (B, G·H), of W_ih x_t + b_ih
    d_recurrent: Array  # (B, G·H), of W_hh h_{t−1} + b_hh
    d_state: tuple[Array, ...]  # (B, H) each: of h_t, or of h_t and c_t, complete: from this step's loss and all later
    d_before: tuple[Mapping[str, Array], ...]  # (B, H) each: of h_{t−1}, or of h_{t−1} and c_{t−1}, for each path


def sigmoid(a: Array) -> Array:
    """σ(a), between 0 and 1."""
    return np.asarray(1 / (1 + np.exp(-a)))
