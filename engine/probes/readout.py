"""A linear read-out: how well a linear classifier reads a class, such as the bracket depth, from the hidden state."""

from __future__ import annotations

import numpy as np

from engine.arrays import Array, Integers
from engine.network.numerics import softmax

COMMONEST = 0.9  # share: if one class has more, accuracy says nothing
RIDGE = 1e-4  # L2 penalty on the weights
STEPS = 300  # of the optimisation


def readout_accuracy(states: Array, classes: Integers) -> float | None:
    """Accuracy, 0 … 1, of a read-out of `classes` (N,) from `states` (H, N).

    It is fitted on the first half of the columns and measured on the second half. None if there is only one class, or
    if one class has more than nine tenths. The read-out is multinomial logistic regression: it chooses the class with
    the largest of K linear scores. Least squares on K indicators would not do: if one unit counts the depth, it never
    chooses a class between two others, such as depth 1 between 0 and 2.
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
    """The weights W (K, X) with which softmax(W x) fits `labels` (N,) best, where x is each column of `inputs` (X, N).

    This is Newton's method with the bound ½·X Xᵀ in place of the Hessian, which has to be inverted only once (Böhning,
    Multinomial logistic regression algorithm, 1992), and with Nesterov's acceleration.
    """
    size, count = inputs.shape
    wanted = np.zeros((classes, count))
    wanted[labels, np.arange(count)] = 1
    curvature = np.linalg.inv(0.5 * inputs @ inputs.T / count + RIDGE * np.eye(size))
    weights = previous = np.zeros((classes, size))
    for step in range(STEPS):
        ahead = weights + step / (step + 3) * (weights - previous)
        gradient = (softmax(ahead @ inputs) - wanted) @ inputs.T / count + RIDGE * ahead
        previous, weights = weights, ahead - gradient @ curvature
    return weights
