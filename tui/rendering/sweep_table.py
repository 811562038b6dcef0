"""A sweep as lines of text: a table of its runs, and what is said when one ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tui.rendering.numbers import nats, power, rate

HEADINGS = {
    "state": "state",
    "steps": "steps",
    "loss": "loss",
    "val_loss": "val",
    "best_val_loss": "best",
    "reach": "reach",
    "gradient_ratio": "‖G_0‖/‖G_T‖",
    "chars_per_second": "chars/s",
}


def table(rows: Sequence[Mapping[str, Any]], differing: Sequence[str]) -> list[str]:
    """Lines for the `rows` of `engine.sweep.table`: a heading, then a line a run, with the settings that differ."""
    cells = [["run", *differing, *HEADINGS.values()]]
    for row in rows:
        number = str(row["name"]).partition("-")[0]
        cells.append([number, *(str(row[name]) for name in differing), *(_cell(name, row[name]) for name in HEADINGS)])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    texts = 2 + len(differing)  # columns that are flush left
    return [
        "  ".join(
            cell.ljust(width) if place < texts else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "–"
    match name:
        case "state":
            return str(value)
        case "steps":
            return f"{value:,}"
        case "reach":
            return f"{value:.2f}"
        case "gradient_ratio":
            return power(value)
        case "chars_per_second":
            return rate(value)
    return nats(value)
