"""Numbers as the screen writes them: in a few characters, as a bar, and as a curve in one line."""

from __future__ import annotations

import math
from collections.abc import Sequence

NATS_PER_BIT = math.log(2)
EIGHTHS = " ▏▎▍▌▋▊▉█"  # of a cell, growing to the right
LEVELS = "▁▂▃▄▅▆▇█"  # growing upwards
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power(value: float) -> str:
    """Two significant digits and a short exponent, such as 3.1e-12; zero is 0, and a dash stands for no number."""
    if value == 0:
        return "0"
    if math.isnan(value):
        return "–"
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    return minus(f"{mantissa}e{int(exponent)}" if exponent else mantissa)


def superscript(number: int) -> str:
    """A whole number as an exponent, such as ¹⁰ or ⁻³."""
    return str(number).translate(SUPERSCRIPTS)


def plain(value: float) -> str:
    """Two decimals between 0.01 and 100, such as 0.93; other numbers as `power` writes them."""
    return minus(f"{value:.2f}") if 0.01 <= abs(value) < 100 else power(value)


def signed(value: float, decimals: int = 2) -> str:
    """A number with its sign, a true minus below zero, such as +0.31 and −1.00; a dash stands for no number."""
    if math.isnan(value):
        return "–"
    return ("−" if value < 0 else "+") + ("∞" if math.isinf(value) else f"{abs(value):.{decimals}f}")


def minus(text: str) -> str:
    """A number as Python writes it, with a true minus before it: as wide as a plus, and not taken for a hyphen."""
    return text.replace("-", "−", 1) if text.startswith("-") else text


def two_digits(value: float) -> str:
    """As `plain`, but below 0.1 with an exponent, so that at least two digits say something: 0.86, 2.8e-2."""
    return plain(value) if abs(value) >= 0.1 else power(value)


def percent(probability: float) -> str:
    """A probability in whole per cent, such as 91%; a positive one below 0.5% is <1%."""
    return "<1%" if 0 < probability < 0.005 else f"{probability:.0%}"


def nats(loss: float | None) -> str:
    """A loss with three decimals, from 10 on with fewer, from 100,000 on as in 2.9e31; a dash if there is none."""
    if loss is None or not math.isfinite(loss):
        return "–"
    if loss >= 1e5:
        return power(loss)
    return f"{loss:.{3 if loss < 10 else 2 if loss < 100 else 1 if loss < 1000 else 0}f}"


def bits(loss: float | None) -> str:
    """A loss in nats as bits per character, in two decimals; a dash if there is none."""
    if loss is None or not math.isfinite(loss):
        return "–"
    return f"{loss / NATS_PER_BIT:.2f}" if loss < 1e5 else power(loss / NATS_PER_BIT)


def with_error(value: str, error: float | None) -> str:
    """`value` and its standard error in three decimals, such as `1.429 ± 0.012`; without it where it is not known."""
    return f"{value} ± {error:.3f}" if error is not None and math.isfinite(error) else value


def rate(per_second: float) -> str:
    """A rate in two or three digits: `812`, `9.4k`, `312k`, `1.2M`."""
    for limit, scale, unit in ((1e3, 1, ""), (1e6, 1e3, "k"), (math.inf, 1e6, "M")):
        if per_second < limit:
            value = per_second / scale
            return f"{value:.1f}{unit}" if unit and value < 10 else f"{value:.0f}{unit}"
    return "–"


def clock(seconds: float) -> str:
    """A time span as `h:mm:ss`."""
    minutes, second = divmod(int(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}"


def time_left(seconds: float) -> str:
    """A time span in its two largest units at most, such as `3d 4h`, `2h 05m`, `12m` and `45s`."""
    minutes = int(seconds) // 60
    if minutes >= 24 * 60:
        return f"{minutes // 1440}d {minutes % 1440 // 60}h"
    if minutes >= 60:
        return f"{minutes // 60}h {minutes % 60:02}m"
    return f"{minutes}m" if minutes else f"{int(seconds)}s"


def megabytes(count: int) -> str:
    """Bytes in millions, or from ten thousand millions on in thousand millions: `312 MB`, `12 GB`."""
    return f"{count / 1e6:.0f} MB" if count < 1e10 else f"{count / 1e9:.0f} GB"


def age(seconds: float) -> str:
    """A time span in its largest unit, such as 3m."""
    for unit, length in (("y", 31_536_000), ("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:.0f}s"


def at_step(step: int, older: bool) -> str:
    """The step whose weights gave an answer, in words; `older` says that it lies far behind the run."""
    return f"step {step:,}{' (older)' if older else ''}"


def bar(share: float, width: int) -> str:
    """A bar for a share, 0 … 1, of `width` cells, rounded up to an eighth of a cell, so that a small share is seen."""
    eighths = math.ceil(min(max(share, 0.0), 1.0) * width * 8 - 1e-9)
    full, part = divmod(eighths, 8)
    return "█" * full + (EIGHTHS[part] if part else "")


def sparkline(values: Sequence[float], width: int, low: float = 0.0) -> str:
    """A curve in at most `width` cells, from `low` to its maximum; each cell shows the last value of its part."""
    values = [value for value in values if math.isfinite(value)]
    count = min(len(values), width)
    shown = [values[(place + 1) * len(values) // count - 1] for place in range(count)]
    extent = max(shown, default=low) - low
    shares = [(value - low) / extent if extent > 0 else 0.0 for value in shown]
    return "".join(LEVELS[min(max(int(share * 8), 0), 7)] for share in shares)
