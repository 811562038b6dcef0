"""Small horizontal pictures of numbers: a bar with eighths of a cell, and a curve in one line."""

from __future__ import annotations

import math
from collections.abc import Sequence

EIGHTHS = " ▏▎▍▌▋▊▉█"
LEVELS = "▁▂▃▄▅▆▇█"


def bar(share: float, width: int) -> str:
    """A share 0 … 1 of `width` cells, to the eighth of a cell; whatever is above zero is seen."""
    eighths = math.ceil(min(max(share, 0.0), 1.0) * width * 8 - 1e-9)
    full, part = divmod(eighths, 8)
    return "█" * full + (EIGHTHS[part] if part else "")


def sparkline(values: Sequence[float], width: int) -> str:
    """A curve in `width` cells at most, from zero to its maximum; each cell shows the last value of its part."""
    values = [value for value in values if math.isfinite(value)]
    count = min(len(values), width)
    shown = [values[(place + 1) * len(values) // count - 1] for place in range(count)]
    top = max(shown, default=0.0)
    return "".join(LEVELS[min(max(int(value / top * 8), 0), 7)] if top > 0 else LEVELS[0] for value in shown)
