"""Numbers as the picture of one step taken apart writes them: alone, in a sum that adds up, as a small histogram."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from engine.arrays import Array
from tui.rendering.numbers import LEVELS

BINS = 12  # cells of a small histogram
NEAR_ONE, MOST_DECIMALS = 0.99, 9
DIGITS = 3  # of a number, significant ones in a small number and decimals in others


def number(value: float) -> str:
    """Three decimals, four below 0.1, or of a small or large number three digits and an exponent, with a true minus.

    A number a little below 1 or above −1 has so many decimals that 1 − n², or z·(1 − z), is right by hand: of what is
    missing to 1 three digits are written, too.
    """
    if NEAR_ONE <= abs(value) < 1:
        missing = math.floor(-math.log10(1 - abs(value)))
        text = f"{value:.{min(missing + DIGITS, MOST_DECIMALS)}f}"
    elif value == 0 or 0.01 <= abs(value) < 1000:
        text = f"{value:.{DIGITS + (abs(value) < 0.1)}f}" if value else "0"
    elif not math.isfinite(value):
        text = str(value)
    else:
        mantissa, _, exponent = f"{value:.{DIGITS - 1}e}".partition("e")
        text = f"{mantissa}e{int(exponent)}"
    return text.replace("-", "−")


def summed(parts: Sequence[float]) -> tuple[list[str], str]:
    """The `parts` of a sum and their total, rounded so that what is written adds up exactly.

    All have the same number of decimals, four digits for the largest; only what is exactly zero is 0. Where rounding
    alone would not add up, the parts that lie nearest to the next number are rounded to that: none is off by more than
    one in its last place.
    """
    total = math.fsum(parts)
    largest = max((abs(each) for each in (*parts, total)), default=0.0)
    if largest == 0 or not math.isfinite(largest):
        return [number(each) for each in parts], number(total)
    exponent = math.floor(math.log10(largest))
    scaled = [each * 10.0 ** (DIGITS - exponent) for each in parts]
    rounded = [round(each) for each in scaled]
    missing = round(math.fsum(scaled)) - sum(rounded)
    sign = 1 if missing > 0 else -1
    nearest = sorted(range(len(parts)), key=lambda place: sign * (rounded[place] - scaled[place]))
    for place in nearest[: abs(missing)]:
        rounded[place] += sign
    written = [_scaled(each, exponent) if part else "0" for each, part in zip(rounded, parts, strict=True)]
    return written, _scaled(sum(rounded), exponent) if total else "0"


def _scaled(whole: int, exponent: int) -> str:
    """`whole`·10^(exponent − 3), as a decimal number or, if it is small or large, with an exponent."""
    if -2 <= exponent < 3:
        text = f"{whole * 10.0 ** (exponent - DIGITS):.{DIGITS - exponent}f}"
    else:
        text = f"{whole / 10**DIGITS:.{DIGITS}f}e{exponent}"
    return text.replace("-", "−")


def histogram(values: Array) -> str:
    """The values of all units in `BINS` cells, from 0 to 1 if all lie there, else from −x to x with x the largest."""
    finite = values[np.isfinite(values)]
    if not finite.size or not finite.any():
        return " " * BINS
    largest = float(np.abs(finite).max())
    limits = (0.0, 1.0) if finite.min() >= 0 and largest <= 1 else (-largest, largest)
    counts, _ = np.histogram(finite, BINS, limits)
    top = int(counts.max())
    return "".join(LEVELS[math.ceil(count * 8 / top) - 1] if count else " " for count in counts.tolist())
