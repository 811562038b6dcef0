"""A linear read-out: how well a class, as the bracket depth, can be told from the hidden state by weights alone."""

from __future__ import annotations

import numpy as np

from engine.arrays import Array, Integers

COMMONEST = 0.9  # where one class covers more than this, accuracy says nothing
RIDGE = 1e-4
STEPS = 300


def readout_accuracy(states: Array, classes: Integers) -> float | None:
    """Share of the second half of the columns of `states` (H, N) whose class (N,) a read-out of the first half tells.

    The read-out is multinomial logistic regression: the class with the largest of K linear scores.
    Least squares on K indicators would not do: it hides a class that lies between two others, as depth 1
    does between 0 and 2 where one unit counts. None where there is nothing to tell: where
    one class covers nine tenths.
    """
    names, labels, counts = np.unique(classes, return_inverse=True, return_counts=True)
    if len(names) < 2 or counts.max() > COMMONEST * len(classes):
        return None
    half = len(classes) // 2
    mean = states[:, :half].mean(axis=1, keepdims=True)
    inputs = np.vstack([states - mean, np.ones(len(classes))]).astype(np.float64)
    weights = fit(inputs[:, :half], labels[:half], len(names))
    return float(np.mean((weights @ inputs[:, half:]).argmax(axis=0) == labels[half:]))


def fit(inputs: Array, labels: Integers, classes: int) -> Array:
    """Weights (K, X) of softmax(W x) for inputs (X, N) and labels (N,).

    Newton's method with a fixed bound ½·X Xᵀ in the place of the Hessian, so that it is inverted only
    once, and each step is sure to gain (Böhning 1992, "Multinomial logistic regression algorithm");
    accelerated as by Nesterov.
    """
    size, count = inputs.shape
    wanted = np.zeros((classes, count))
    wanted[labels, np.arange(count)] = 1
    curvature = np.linalg.inv(0.5 * inputs @ inputs.T / count + RIDGE * np.eye(size))
    weights = previous = np.zeros((classes, size))
    for step in range(STEPS):
        ahead = weights + step / (step + 3) * (weights - previous)
        scores = ahead @ inputs
        scores -= scores.max(axis=0)
        np.exp(scores, out=scores)
        scores /= scores.sum(axis=0)
        gradient = (scores - wanted) @ inputs.T / count + RIDGE * ahead
        previous, weights = weights, ahead - gradient @ curvature
    return weights
