"""The textbook loop: one sequence at a time, one-hot columns, Python over time, Adagrad.

Character models are usually taught in NumPy like this: a plain recurrent network of one layer,
back-propagation one step after the other, gradients clipped by value, new arrays in each step.
It computes in float32, like its rivals: that is faster than the float64 of most textbooks.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

import numpy as np

from engine.bench.workload import Workload

LEARNING_RATE = 0.1
CLIP_VALUE = 5.0


def training(workload: Workload, threads: int) -> Callable[[], float]:
    """A function that makes one training step and returns its loss in nats per character."""
    hidden, characters = workload.hidden, workload.vocabulary
    rng = np.random.default_rng(1)

    def random(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) * 0.01).astype(np.float32)

    weight_xh, weight_hh, weight_hy = random(hidden, characters), random(hidden, hidden), random(characters, hidden)
    bias_h, bias_y = np.zeros((hidden, 1), np.float32), np.zeros((characters, 1), np.float32)
    parameters = [weight_xh, weight_hh, weight_hy, bias_h, bias_y]
    squares = [np.zeros_like(parameter) for parameter in parameters]
    windows = cycle(workload.windows())
    state = np.zeros((hidden, 1), np.float32)

    def step() -> float:
        nonlocal state
        inputs, targets = (window[:, 0] for window in next(windows))
        xs, hs, ps = {}, {-1: state}, {}
        loss = 0.0
        for t, code in enumerate(inputs):
            xs[t] = np.zeros((characters, 1), np.float32)
            xs[t][code] = 1
            hs[t] = np.tanh(weight_xh @ xs[t] + weight_hh @ hs[t - 1] + bias_h)
            exponentials = np.exp(weight_hy @ hs[t] + bias_y)
            ps[t] = exponentials / exponentials.sum()
            loss -= float(np.log(ps[t][targets[t], 0]))
        d_weight_xh, d_weight_hh, d_weight_hy, d_bias_h, d_bias_y = gradients = list(map(np.zeros_like, parameters))
        d_next = np.zeros_like(state)
        for t in reversed(range(len(inputs))):
            d_y = ps[t].copy()
            d_y[targets[t]] -= 1
            d_weight_hy += d_y @ hs[t].T
            d_bias_y += d_y
            d_raw = (1 - hs[t] * hs[t]) * (weight_hy.T @ d_y + d_next)
            d_bias_h += d_raw
            d_weight_xh += d_raw @ xs[t].T
            d_weight_hh += d_raw @ hs[t - 1].T
            d_next = weight_hh.T @ d_raw
        for parameter, gradient, square in zip(parameters, gradients, squares, strict=True):
            np.clip(gradient, -CLIP_VALUE, CLIP_VALUE, out=gradient)
            square += gradient * gradient
            parameter -= LEARNING_RATE * gradient / np.sqrt(square + 1e-8)
        state = hs[len(inputs) - 1]
        return loss / len(inputs)

    return step
