"""Numbers as the screen writes them."""

from __future__ import annotations

import math

from tui.rendering.strips import power

NATS_PER_BIT = math.log(2)


def rate(per_second: float) -> str:
    """A rate in three digits or so: `812`, `9.4k`, `312k`, `1.2M`."""
    for limit, scale, unit in ((1e3, 1, ""), (1e6, 1e3, "k"), (math.inf, 1e6, "M")):
        if per_second < limit:
            value = per_second / scale
            return f"{value:.1f}{unit}" if unit and value < 10 else f"{value:.0f}{unit}"
    return "–"


def clock(seconds: float) -> str:
    """`h:mm:ss`."""
    minutes, second = divmod(int(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}"


def age(seconds: float) -> str:
    """A time span in its largest unit, as 3m."""
    for unit, length in (("y", 31_536_000), ("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:.0f}s"


def nats(loss: float | None) -> str:
    """A loss in three decimals, one of an exploded network in fewer or as 2.9e31; a dash where there is none."""
    if loss is None or not math.isfinite(loss):
        return "–"
    if loss >= 1e5:
        return power(loss)
    return f"{loss:.{3 if loss < 10 else 2 if loss < 100 else 1 if loss < 1000 else 0}f}"


def bits(loss: float | None) -> str:
    """A loss in nats as bits per character, in two decimals."""
    if loss is None or not math.isfinite(loss):
        return "–"
    return f"{loss / NATS_PER_BIT:.2f}" if loss < 1e5 else power(loss / NATS_PER_BIT)


def bar(share: float, width: int) -> str:
    """A progress bar of `width` cells in eighths of a cell."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    part = " ▏▎▍▌▋▊▉"[rest].strip()
    return ("█" * full + part).ljust(width)
