"""Describes gradients in words, which must not claim more than was measured."""

from __future__ import annotations

import math

import numpy as np

from engine.arrays import Array
from engine.session.messages import GradientFlow, cell_of
from tui.rendering import gradient_windows as windows
from tui.rendering.numbers import plain, superscript, two_digits

LEAST_FLOAT32 = float(np.finfo(np.float32).smallest_subnormal)  # smaller values are zero in training


NOTE_ON_GATES = "With gates, σ of the blocks decides neither vanishing nor explosion."


def factor_per_step(triangle: Array) -> float:
    """The geometric mean of ‖∂ℓ_s/∂h_t‖ / ‖∂ℓ_s/∂h_{t+1}‖ over all pairs s > t where both are above zero.

    `triangle` is (T, T), indexed [s, t]. NaN if there is no such pair.
    """
    early, late = triangle[:, :-1], triangle[:, 1:]
    both = (
        (np.tri(early.shape[0], early.shape[1], -1) > 0)
        & (early > 0)
        & (late > 0)
        & np.isfinite(early)
        & np.isfinite(late)
    )
    if not both.any():
        return math.nan
    return float(np.exp(np.mean(np.log(early[both]) - np.log(late[both]))))


def verdict(flow: GradientFlow, last_loss_only: bool = False) -> str:
    """One or two sentences about the picture.

    `last_loss_only` says that training uses the loss of the last step alone: *training* then shows what *single* does.
    """
    norms = np.asarray(flow.norms, dtype=float)
    back = len(norms) - 1
    if not np.isfinite(norms).all():
        return "Some values are not finite: the gradient overflowed."
    if norms.max() < LEAST_FLOAT32:
        return "Every value is zero in float32: nothing reaches any of these steps."
    if back == 0:
        return "One time step only: there is no way back to look at."
    if norms[-1] == 0:
        return f"Zero at t = {back}, where the last loss begins: there is nothing to compare with."
    reached = int(np.flatnonzero(norms >= LEAST_FLOAT32)[0])
    if reached:
        return f"Zero in float32 before t = {reached}: the last loss does not reach those steps at all."
    if flow.view == "triangle" and flow.triangle is not None:
        factor = factor_per_step(np.asarray(flow.triangle, dtype=float))
        if math.isfinite(factor):
            return (
                "On average over all losses, a step back multiplies the gradient of all windows together by "
                f"{plain(factor)}."
            )
    decades = windows.decades(flow)
    if math.isinf(decades):
        return f"In at least half of {windows.windows_of(flow)} nothing of the last loss reaches t = 0."
    if flow.view == "training" and not last_loss_only:
        return (
            f"Each step has a loss of its own. Compared with t = {back}, the gradient of their sum is "
            f"{ratio_words(decades)[1]} at t = 0{_windows(flow)}. Sums hide vanishing: the view single shows it."
        )
    return f"The gradient {ratio_words(decades)[0]} over {back} steps back{_windows(flow)}{_consequence(decades)}."


def _windows(flow: GradientFlow) -> str:
    return f" in the median of {windows.windows_of(flow)}" if windows.count(flow) > 1 else ""


def ratio_and_spread(flow: GradientFlow) -> str:
    """‖G_0‖/‖G_{T−1}‖ of the median window, with the limits of four of five windows behind it."""
    ratio = windows.ratio(flow)
    spread = f" ({two_digits(ratio.low)} … {two_digits(ratio.high)})" if windows.count(flow) > 1 else ""
    return two_digits(ratio.median) + (spread if math.isfinite(ratio.median) else "")


def ratio_words(decades: float) -> tuple[str, str]:
    """A ratio of 10^decades in words: as a verb ("shrinks 300-fold") and as a comparison ("300 times smaller")."""
    size = abs(decades)
    if size < math.log10(2):
        return "keeps its size", "about as large"
    number = f"{float(f'{10**size:.2g}'):,g}" if size < 5 else f"10{superscript(round(size))}"
    if decades < 0:
        return f"shrinks {number}-fold", f"{number} times smaller"
    return f"grows {number}-fold", f"{number} times larger"


def _consequence(decades: float) -> str:
    if decades < -3:
        return ": the first steps hardly learn from the last loss"
    if decades < -1:
        return ": the first steps learn little from the last loss"
    if decades <= 1:
        return ": the last loss still reaches the first steps"
    return ": it explodes on this batch" if decades > 3 else ""


def matrix_words(values: dict[str, float], name: str, short: bool = False) -> str:
    """σ or ρ of each gate's block of W_hh, as "σ 1.80" or "σ r 1.20 z 0.90 n 1.80"; if `short`, only the largest."""
    if not values:
        return ""
    if len(values) == 1:
        return f"{name} {plain(next(iter(values.values())))}"
    if short:
        gate = max(values, key=lambda each: values[each])
        return f"{name}_{gate} {plain(values[gate])}"
    return f"{name} " + " ".join(f"{gate} {plain(value)}" for gate, value in values.items())


def matrix_note(flow: GradientFlow, cell: str) -> str:
    """What σ says about the gradient of a `cell`; empty if σ is not known.

    In the plain RNN an explosion needs σ > 1. In a gated cell the gates add paths of their own, and the growth of the
    whole state's Jacobian decides: an LSTM whose block for g is 0.95·I can explode. In a cell without W_hh
    ∂h_t/∂h_{t−1} is a gate between 0 and 1, unit by unit.
    """
    if not cell_of(cell).recurrent:
        return "There is no W_hh: a step back multiplies each unit's gradient by a gate, which is at most 1."
    if not flow.sigma:
        return ""
    if cell != "rnn":
        return NOTE_ON_GATES
    if max(flow.sigma.values()) > 1:
        return "σ above 1 is needed for an explosion, but does not make one."
    return "σ is at most 1: W_hh cannot make the gradient grow."


def summary(flow: GradientFlow) -> str:
    """The verdict in at most three words."""
    last = float(flow.norms[-1])
    if not np.isfinite(flow.norms).all():
        return "overflowed"
    if last < LEAST_FLOAT32:
        return "zero"
    decades = windows.decades(flow)
    is_zero = float(flow.norms[0]) < LEAST_FLOAT32 or math.isinf(decades)
    return "shrinks to zero" if is_zero else ratio_words(decades)[0]
