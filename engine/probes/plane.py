"""The plane in which the states of a network vary most: their first two principal components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.arrays import Array


@dataclass(frozen=True)
class Plane:
    """The plane through `mean` (H,) along the orthonormal rows of `axes` (2, H).

    `shares` (2,) says what part of the states' variance, 0 … 1, lies along each axis. With a single unit the second
    axis and its share are zero.
    """

    mean: Array
    axes: Array
    shares: Array

    def place(self, states: Array) -> Array:
        """Where `states` (N, H) lie in the plane, (N, 2)."""
        return np.asarray((states - self.mean) @ self.axes.T)


def plane_of(states: Array, like: Plane | None = None) -> Plane:
    """The plane of `states` (N, H), by their covariance's eigenvectors, in float64.

    These are the first two right singular vectors of the centred states, and their sign is free. It is that of `like`
    where a plane of as many units is given, so that a picture does not flip from one step of the training to the next;
    else the entry farthest from zero is positive.
    """
    states = states.astype(np.float64, copy=False)
    mean = states.mean(axis=0)
    centred = states - mean
    variances, vectors = np.linalg.eigh(centred.T @ centred / len(states))
    axes, shares = np.zeros((2, states.shape[1])), np.zeros(2)
    count = min(2, states.shape[1])
    axes[:count] = vectors.T[::-1][:count]
    if (total := variances.sum()) > 0:
        shares[:count] = np.maximum(variances[::-1][:count], 0) / total
    for axis in range(count):
        if like is not None and like.axes.shape == axes.shape:
            flip = axes[axis] @ like.axes[axis] < 0
        else:
            flip = axes[axis][np.abs(axes[axis]).argmax()] < 0
        axes[axis] *= -1 if flip else 1
    return Plane(mean, axes, shares)
