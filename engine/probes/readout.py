"""A linear read-out: how well weights alone can read a class, such as the bracket depth, from the hidden state."""

from __future__ import annotations

import numpy as np

from engine.arrays import Array, Integers
from engine.network.numerics import softmax

COMMONEST = 0.9  # share; where one class has more, accuracy says nothing
RIDGE = 1e-4  # L2 penalty on the weights
STEPS = 300  # of the optimisation


def readout_accuracy(states: Array, classes: Integers) -> float | None:
    """Accuracy, 0 … 1, of a read-out of `classes` (N,) from `states` (H, N), fitted on the first half of the columns.

    Accuracy is measured on the second half; None where one class has more than nine tenths. The read-out is multinomial
    logistic regression: it chooses the class with the largest of K linear scores. Least squares on K indicators would
    never choose a class between two others, such as depth 1 between 0 and 2 where one unit counts.
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
    """The weights W (K, X) of the softmax(W x) that fits `labels` (N,) best, x being the columns of `inputs` (X, N).

    Newton's method with the bound ½·X Xᵀ in place of the Hessian: it is inverted only once, and no step makes the
    fit worse (Böhning, Multinomial logistic regression algorithm, 1992); with Nesterov's acceleration.
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
