"""A sweep as lines of text: a table of its runs."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.theme import BUILTIN_THEMES

from engine.runs.listing import RunSummary
from tui.rendering.runs_table import MARK, SWEEP, cells, heading

NOT_SAID = ("speed", "left")  # of runs that train
PLAIN = BUILTIN_THEMES["textual-dark"]  # its colours are not used


def table(rows: Sequence[RunSummary]) -> list[str]:
    """A heading, then a line for each of the `rows`; the name of a run says which settings it has."""
    name = max((cell_len(row.name) for row in rows), default=0) + len(MARK) + 1
    wide = {"run": name, **{column: width for column, width in SWEEP.items() if column not in NOT_SAID}}
    headings = "".join(heading(column, width, "").ljust(width) for column, width in wide.items())
    lines = [headings]
    for row in rows:
        texts = [cell.plain for cell in cells(row, wide, False, PLAIN)]
        lines.append("".join(text.ljust(width) for text, width in zip(texts, wide.values(), strict=True)))
    return [line.removeprefix("  ").rstrip() for line in lines]
