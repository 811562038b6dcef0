"""Occlusion checks connectivity: it replaces each character of a prompt and measures how the prediction changes."""

from __future__ import annotations

import math

import numpy as np

from engine.arrays import Array, Codes
from engine.network.model import Model
from engine.network.numerics import cross_entropy
from engine.network.workspace import State
from engine.probes.pieces import Pieces, at_once

COLUMNS = 256  # prompts that are read side by side
RESOLUTION = 2.0**-50  # of a score near 1 in float64; the sums of some hundred terms behind it lose two bits


def occlusion_in_pieces(
    model: Model, codes: Codes, focus: int, target: int, replacements: Codes, *, of_loss: bool = False
) -> Pieces[tuple[Array, float]]:
    """Mean |change of the logit z_target(focus)| when character t of the prompt is replaced, (S,); zero for t > focus.

    The second result is the least change that rounding lets through; smaller ones are zero. With `of_loss` it is the
    change of the cross-entropy of `target` after step `focus`, in nats. All is computed in float64: over a long prompt
    most changes are below what float32 can tell, and their ranks would be noise.

    Each character of the prompt `codes` (S,) is replaced in turn by every one of `replacements` (R,) that differs from
    it. If none differs, the result is zero there. `focus` is a position, `target` a character. There is a pause after
    each time step of each group of prompts.

    Zeiler and Fergus, Visualizing and understanding convolutional networks, 2014.
    """
    model = model.in_double()
    changes = np.zeros(len(codes))
    size = max(1, COLUMNS // max(1, len(replacements)))
    state: State | None = None
    for start in range(0, focus + 1, size):
        # Before `start` all prompts of this group are the same. That part is read only once.
        stop = min(start + size, focus + 1)
        changed = np.repeat(np.arange(start, stop), len(replacements))
        inserted = np.tile(replacements, stop - start)
        prompts = np.repeat(codes[start : focus + 1, None], len(changed) + 1, axis=1)
        prompts[changed - start, np.arange(len(changed))] = inserted
        logits, _ = yield from _read(model, prompts, state)
        scores = cross_entropy(logits, np.full(logits.shape[1], target)) if of_loss else logits[target]
        differences = np.abs(scores[:-1] - scores[-1])
        differs = inserted != codes[changed]
        sums = np.bincount(changed, differences * differs, minlength=len(codes))
        changes += sums / np.maximum(1, np.bincount(changed, differs, minlength=len(codes)))
        _, state = yield from _read(model, codes[start:stop, None], state)
    least = RESOLUTION * (1 + abs(float(scores[-1])))
    changes[changes < least] = 0
    return changes, least


occlusion = at_once(occlusion_in_pieces)


def agreement(gradient: Array, changes: Array, least: float) -> float | None:
    """Spearman's rank correlation of |∂score/∂x_t| and the measured changes of the score, (N,) each.

    Replacing a character moves its one-hot input by √2. Where even the gradient says that this changes the score by
    less than `least`, nothing can be told either, and the two agree: all those are ties. None if all are.
    """
    return spearman(np.where(gradient * math.sqrt(2) < least, 0, gradient), changes)


def _read(model: Model, codes: Codes, state: State | None) -> Pieces[tuple[Array, State]]:
    """Logits (V, B) and state after `codes` (T, B) from `state`, or from zero; one step at a time, to save memory."""
    work = model.workspace(1, codes.shape[1], train=False)
    if state is not None:
        work.restore(state)
        work.carry()
    for step, row in enumerate(codes):
        if step:
            work.carry()
        model.forward(work, row[None])
        yield
    return work.logits, work.end_state()


def spearman(a: Array, b: Array) -> float | None:
    """Spearman's rank correlation of `a` (N,) and `b` (N,); None if all values of one of them are equal."""
    first, second = ranks(a) - (len(a) + 1) / 2, ranks(b) - (len(b) + 1) / 2
    spread = math.sqrt(float(first @ first) * float(second @ second))
    return float(first @ second) / spread if spread else None


def ranks(values: Array) -> Array:
    """The ranks 1 … N of `values` (N,); equal values have the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: Array = last - (counts - 1) / 2
    return means[place]
