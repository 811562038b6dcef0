"""Runs as rows of a table: the text of each column, and its width."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.cells import cell_len
from rich.text import Text
from textual.content import Content
from textual.theme import Theme

from engine.runs.listing import UNREADABLE, RunSummary
from tui.rendering.numbers import age, nats
from tui.rendering.strips import shorten
from tui.rendering.text import visible_text

COLUMNS = ("run", "state", "step", "loss", "best", "cell", "text", "age")
RIGHT = ("step", "loss", "best", "age")  # aligned at the right
FIXED = {"state": 11, "step": 10, "loss": 7, "best": 7, "cell": 11, "age": 4}  # cells, with a blank at the end
NAME_SHARE = 0.62  # of the cells for names: this for runs, the rest for texts
LONGEST_NAME, LONGEST_TEXT = 30, 40  # cells
MARK = "◆ "
GLYPHS = {"live": "▶", "paused": "‖", "finished": "✓", "stopped": "■"}
FAILED = "✗"


def widths(columns: int) -> dict[str, int]:
    """The width of each column in a table of `columns` cells; the names of run and text share the rest."""
    spare = max(columns - 1 - sum(FIXED.values()), 20)  # 1 for the scroll bar
    name = min(round(NAME_SHARE * spare), LONGEST_NAME)
    flexible = {"run": name, "text": min(spare - name, LONGEST_TEXT)}
    return {column: (FIXED | flexible)[column] for column in COLUMNS}


def cells(run: RunSummary, wide: dict[str, int], marked: bool, theme: Theme) -> list[Text]:
    """The row of `run`, with the widths that `widths` gives."""
    colours = {"live": theme.success, "finished": "", "stopped": "", "paused": theme.accent}
    unreadable = run.state in UNREADABLE
    words = {
        "run": (MARK if marked else "  ") + visible_text(run.name),
        "state": f"{GLYPHS.get(run.state, FAILED)} {run.state}",
        "step": "" if unreadable else f"{run.step:,}",
        "loss": "" if unreadable else nats(run.loss),
        "best": "" if unreadable else nats(run.best),
        "cell": run.cell,
        "text": visible_text(run.reason or run.text),
        "age": age(run.age),
    }
    row = []
    for column, text in words.items():
        room = wide[column] - (column != "age")
        text = shorten(text, room)
        padding = " " * (room - cell_len(text))
        row.append(Text(padding + text if column in RIGHT else text))
    row[1].stylize(colours.get(run.state, theme.error) or "")
    if marked:
        row[0].stylize("bold")
    return row


def heading(column: str, wide: int) -> str:
    """The name of a column, aligned as its values are."""
    if column in RIGHT:
        return column.rjust(wide - (column != "age"))
    return " " * len(MARK) + column if column == "run" else column


def head(runs: Sequence[RunSummary], directory: Path, marked: int, width: int) -> Content:
    """The line above the table: how many runs there are, how many are marked, and their directory."""
    live = sum(run.pid is not None for run in runs)
    parts = [f"{len(runs)} run{'s' * (len(runs) != 1)}" + (f", {live} live" if live else "")]
    if marked:
        parts.append(f"{marked} marked: drawn over the run you open")
    parts.append(visible_text(str(directory)))
    program = Content.styled(" charrnn-tui ", "bold $primary")
    return Content.assemble(program, (" " + " · ".join(parts), "$foreground-muted")).truncate(width, ellipsis=True)
