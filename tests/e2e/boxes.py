"""The panes on a screen, found by their frames."""

from __future__ import annotations

from typing import NamedTuple

from tests.e2e.terminal import Terminal


class Box(NamedTuple):
    """Rows and columns of a frame; its title stands in the first row."""

    top: int
    left: int
    bottom: int
    right: int
    title: str


def boxes(terminal: Terminal) -> list[Box]:
    """Every frame whose four sides are whole, cell by cell: text that is wider than it says would break one."""
    rows, columns = terminal.screen.lines, terminal.screen.columns
    cell = terminal.cell
    found = []
    for top in range(rows):
        for left in range(columns):
            if cell(top, left) != "╭":
                continue
            right = next((x for x in range(left, columns) if cell(top, x) == "╮"), -1)
            bottom = next((y for y in range(top, rows) if cell(y, left) == "╰"), -1)
            if right < 0 or bottom < 0 or cell(bottom, right) != "╯":
                continue
            if all(cell(y, left) == cell(y, right) == "│" for y in range(top + 1, bottom)):
                title = "".join(cell(top, x) for x in range(left + 1, right)).strip("─ ")
                found.append(Box(top, left, bottom, right, title))
    return found


def titles(terminal: Terminal) -> list[str]:
    """The first word of every frame's title."""
    return [box.title.split(" ")[0] for box in boxes(terminal)]


def until_alone(terminal: Terminal, title: str) -> None:
    """Wait until one frame is shown, which is called `title`."""
    terminal.until(lambda: titles(terminal) == [title], title)
