"""Runs as rows of a table: the text of each column, and its width."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.cells import cell_len
from rich.text import Text
from textual.content import Content
from textual.theme import Theme

from engine.runs.listing import UNREADABLE, RunSummary
from engine.runs.table import setting_of
from tui.rendering.numbers import age, nats, percent, power, rate
from tui.rendering.strips import shorten
from tui.rendering.text import visible_text

RIGHT = ("step", "loss", "val", "best", "reach", "ratio", "speed", "left", "age")  # aligned at the right
FIXED = {"state": 11, "step": 10, "loss": 7, "best": 7, "network": 11, "age": 4}  # cells, with a blank at the end
# Columns for which there is room only in tables of at least this many cells.
MORE = {104: {"speed": 7, "left": 6}, 132: {"reach": 7, "ratio": 9}}
NAME_SHARE = 0.62  # of the cells for names: this for runs, the rest for texts
LONGEST_NAME, LONGEST_TEXT = 30, 40  # cells
MARK = "◆ "
SHOWN_AS = {"name": "run"}  # columns of `engine.runs.table` that have another name here
HEADINGS = {"network": "cell"}  # cell, layers and hidden units in one column
GLYPHS = {"waiting": "·", "live": "▶", "paused": "‖", "stopping": "■", "finished": "✓", "stopped": "■"}
FAILED = "✗"


def widths(columns: int) -> dict[str, int]:
    """The width of each column in a table of `columns` cells; the names of run and text share the rest."""
    fixed = dict(FIXED)
    for least, more in MORE.items():
        fixed |= more if columns >= least else {}
    spare = max(columns - 1 - sum(fixed.values()), 20)  # 1 for the scroll bar
    name = min(round(NAME_SHARE * spare), LONGEST_NAME)
    found = fixed | {"run": name, "text": min(spare - name, LONGEST_TEXT)}
    order = ("run", "state", "step", "loss", "best", "reach", "ratio", "speed", "left", "network", "text", "age")
    return {column: found[column] for column in order if column in found}


SWEEP = {"state": 14, "step": 8, "val": 7, "best": 7, "reach": 7, "ratio": 9, "speed": 7, "left": 6}
LONGEST_VALUE = 12  # cells of a setting in a sweep's table


def sweep_widths(runs: Sequence[RunSummary], differing: Sequence[str], columns: int) -> dict[str, int]:
    """The columns of a sweep's table of at most `columns` cells, and their widths: what differs, then what fits."""
    found = {}
    for name in differing:
        longest = max((cell_len(_setting(run, name)) for run in runs), default=0)
        found[name] = min(max(longest, len(name) + 1), LONGEST_VALUE) + 1
    if not found:
        found["run"] = 16
    for name, width in SWEEP.items():
        if sum(found.values()) + width > columns - 1:  # 1 for the scroll bar
            break
        found[name] = width
    return found


def _setting(run: RunSummary, name: str) -> str:
    """The value of a setting of `run`."""
    value = setting_of(run, name)
    return value if isinstance(value, str) else "–" if value is None else f"{value:g}"


def cells(run: RunSummary, wide: dict[str, int], marked: bool, theme: Theme) -> list[Text]:
    """The row of `run`, with the columns and widths that `widths` gives."""
    colours = {
        "waiting": theme.secondary,
        "live": theme.success,
        "finished": "",
        "stopped": "",
        "paused": theme.accent,
        "stopping": theme.accent,
    }
    row = []
    for column, width in wide.items():
        room = width - (column != "age")
        text = shorten(_words(run, column, marked), room)
        padding = " " * (room - cell_len(text))
        style = colours.get(run.state, theme.error) or "" if column == "state" else ""
        row.append(Text(padding + text if column in RIGHT else text, style))
    if marked:
        row[0].stylize("bold")
    return row


def _words(run: RunSummary, column: str, marked: bool) -> str:
    """What stands in a column of a run."""
    if column == "run":
        return (MARK if marked else "  ") + visible_text(run.name)
    if column == "state":
        progress = f" {percent(run.progress)}" if run.state == "live" and run.progress is not None else ""
        return f"{GLYPHS.get(run.state, FAILED)} {run.state}{progress}"
    if column == "text":
        return visible_text(run.reason or run.text)
    if column == "network":
        return run.cell
    if column == "age":
        return age(run.age)
    if run.state in UNREADABLE:
        return ""
    match column:
        case "step":
            return f"{run.step:,}"
        case "loss":
            return nats(run.loss)
        case "best":
            return nats(run.best)
        case "reach":
            return "" if run.reach is None else f"{run.reach:.1f}"
        case "ratio":
            return "" if run.gradient_ratio is None else power(run.gradient_ratio)
        case "speed":
            return rate(run.chars_per_second) if run.state == "live" and run.chars_per_second else ""
        case "left":
            return "" if run.seconds_left is None else age(run.seconds_left)
        case "val":
            return "" if run.val_loss is None else nats(run.val_loss)
    return visible_text(_setting(run, column))


def heading(column: str, wide: int, by: str) -> str:
    """The name of a column, aligned as its values are; an arrow if the rows are in its order, see `in_order`."""
    name = HEADINGS.get(column, column)
    if column == SHOWN_AS.get(by.removeprefix("-"), by.removeprefix("-")):
        name = ("↓" if by.startswith("-") else "↑") + column
    if column in RIGHT:
        return name.rjust(wide - (column != "age"))
    return " " * len(MARK) + name if column == "run" else name


def head(runs: Sequence[RunSummary], shown: int, directory: Path, marked: int, width: int) -> Content:
    """The line above the table: how many runs there are and are shown, how many are marked, and their directory."""
    live = sum(run.pid is not None for run in runs)
    some = f"{shown:,} of " if shown < len(runs) else ""
    parts = [f"{some}{len(runs):,} run{'s' * (len(runs) != 1)}" + (f", {live} live" if live else "")]
    if marked:
        parts.append(f"{marked} marked: drawn over the run you open")
    parts.append(visible_text(str(directory)))
    program = Content.styled(" charrnn-tui ", "bold $primary")
    return Content.assemble(program, (" " + " · ".join(parts), "$foreground-muted")).truncate(width, ellipsis=True)
