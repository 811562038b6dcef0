"""What is typical of the windows that a gradient flow was measured on: medians and spread.

A norm over all windows at once is ruled by the few with the largest gradients; half of the windows lie below a median.
Ratios are compared on a logarithmic scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.arrays import Array
from engine.session.messages import GradientFlow

SPREAD = (0.1, 0.9)  # quantiles; four windows of five lie between them


@dataclass(frozen=True, slots=True)
class Typical:
    """A number of each window: its median and the limits between which four windows of five lie."""

    median: float
    low: float
    high: float


def count(flow: GradientFlow) -> int:
    """How many windows `flow` knows one by one; 0 if it has their norm together only."""
    return 0 if flow.window_norms is None else flow.window_norms.shape[1]


def windows_of(flow: GradientFlow) -> str:
    """On how many windows `flow` was measured, in a few words."""
    number = count(flow)
    return f"{number} window{'s' * (number > 1)}" if number else "all windows together"


def typical_norms(flow: GradientFlow) -> Array:
    """‖G_t‖ of the median window at each step, (T,); where windows are not known one by one, of all together."""
    norms = flow.norms if flow.window_norms is None else np.median(flow.window_norms, axis=1)
    return np.asarray(norms, float)


def spread_norms(flow: GradientFlow) -> Array | None:
    """At each step the limits between which four of five windows' ‖G_t‖ lie, (2, T); None for less than two windows."""
    if flow.window_norms is None or count(flow) < 2:
        return None
    limits: Array = np.quantile(flow.window_norms, SPREAD, axis=1)
    return limits


def log_ratios(flow: GradientFlow) -> Array:
    """log10 of ‖G_0‖ / ‖G_{T−1}‖ for each window, in ascending order; for all together where windows are not known.

    −inf for a window in which nothing reaches t = 0. Windows in which ‖G_{T−1}‖ is zero or no number are left out.
    """
    norms = np.asarray(flow.norms[:, None] if flow.window_norms is None else flow.window_norms, float)
    first, last = norms[0], norms[-1]
    usable = (last > 0) & np.isfinite(last) & np.isfinite(first)
    with np.errstate(divide="ignore"):
        found: Array = np.sort(np.log10(first[usable]) - np.log10(last[usable]))
    return found


def ratio(flow: GradientFlow) -> Typical:
    """‖G_0‖ / ‖G_{T−1}‖, each window's own; NaN if ‖G_{T−1}‖ is zero in all of them."""
    logs = log_ratios(flow)
    if not len(logs):
        return Typical(math.nan, math.nan, math.nan)
    return Typical(*(_power_of_ten(_quantile(logs, share)) for share in (0.5, *SPREAD)))


def decades(flow: GradientFlow) -> float:
    """log10 of the median `ratio`; −inf if nothing reaches t = 0 in half of the windows."""
    return _quantile(log_ratios(flow), 0.5)


def _quantile(ascending: Array, share: float) -> float:
    """As NumPy's linear one; but a value beside −inf is not drawn down to it."""
    place = share * (len(ascending) - 1)
    below, above = float(ascending[math.floor(place)]), float(ascending[math.ceil(place)])
    return below if below == above or math.isinf(below) else below + (place - math.floor(place)) * (above - below)


def _power_of_ten(exponent: float) -> float:
    return math.inf if exponent > 308 else 10.0**exponent
