"""A linear read-out: how well a linear classifier reads a class, such as the bracket depth, from the hidden state.

Alone its accuracy says little: it has to be compared with that of always naming the most frequent class, and with that
of a read-out from an untrained network, whose state also depends on the last characters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.arrays import Array, Codes, Integers
from engine.network.numerics import softmax

COMMONEST = 0.9  # share: if one class has more, accuracy says nothing
LEAST = 50  # states that it is measured on
SAME = 20  # characters before a state: if a passage that is fitted on has them, too, it is not measured
RIDGE = 1e-4  # L2 penalty on the weights
STEPS = 300  # of the optimisation at most
ENOUGH = 1e-6  # nats: where a step lowers the loss by no more than about this, the optimisation ends


@dataclass(frozen=True)
class Readout:
    """How often a read-out names the right class, 0 … 1."""

    accuracy: float
    majority: float  # how often the class does that is the most frequent one where the read-out was fitted


def split(codes: Codes, warm_up: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which states a read-out is fitted on, and which it is measured on: two masks (N,), time-major.

    `codes` (T, B) are B passages of a text, and N = (T − warm_up)·B. It is fitted on the first half of the passages and
    measured on the others (of a single passage, on the first and the second half). A state is left out of the measured
    ones if the 20 characters before it stand in a passage that it is fitted on: it would be recognised, not read.
    """
    seq, count = codes.shape
    fitted = np.zeros((seq, count), bool)
    if count == 1:
        fitted[: seq // 2] = True
    else:
        fitted[:, : count // 2] = True
    before = _last_characters(codes)
    known = set(before[fitted].tolist())
    is_known = np.array([text in known for text in before.ravel().tolist()]).reshape(seq, count)
    return fitted[warm_up:].ravel(), (~fitted & ~is_known)[warm_up:].ravel()


def _last_characters(codes: Codes) -> NDArray[np.object_]:
    """The bytes of the `SAME` codes that end with each one of `codes` (T, B), (T, B); of fewer at the beginning."""
    texts = np.ascontiguousarray(codes.T, np.int32)
    found = np.empty(codes.shape, object)
    for passage, text in enumerate(texts):
        for t in range(len(text)):
            found[t, passage] = text[max(t + 1 - SAME, 0) : t + 1].tobytes()
    return found


def readout(states: Array, classes: Integers, fitted: NDArray[np.bool_], measured: NDArray[np.bool_]) -> Readout | None:
    """How well a linear read-out of `classes` (N,) from `states` (H, N) does, on the `measured` of them, (N,).

    It is fitted on the `fitted` ones, (N,). None if there is only one class among them, if one class has more than nine
    tenths of all, or if fewer than 50 are measured. The read-out is multinomial logistic regression: it chooses the
    class with the largest of K linear scores. Least squares on K indicators would not do: if one unit counts the depth,
    it never chooses a class between two others, such as depth 1 between 0 and 2.
    """
    counts = np.unique(classes, return_counts=True)[1]
    if counts.max() > COMMONEST * len(classes) or np.count_nonzero(measured) < LEAST:
        return None
    names, labels, counts = np.unique(classes[fitted], return_inverse=True, return_counts=True)
    if len(names) < 2:
        return None
    inputs = np.vstack([states - states[:, fitted].mean(axis=1, keepdims=True), np.ones(len(classes))])
    weights = fit(inputs[:, fitted].astype(np.float64), labels, len(names))
    chosen = names[(weights @ inputs[:, measured]).argmax(axis=0)]
    wanted = classes[measured]
    return Readout(float(np.mean(chosen == wanted)), float(np.mean(wanted == names[counts.argmax()])))


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
        change = gradient @ curvature
        previous, weights = weights, ahead - change
        if np.vdot(gradient, change) < ENOUGH:
            break
    return weights
