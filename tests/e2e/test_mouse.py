"""The mouse as a terminal reports it: bytes in, what is on the screen, and in the clipboard, out."""

from __future__ import annotations

import base64
import re

from tests.e2e.conftest import Open
from tests.e2e.program import PHYSICS
from tests.e2e.terminal import NARROW, Terminal

PRESS, DRAG, WHEEL_UP, WHEEL_DOWN = 0, 32, 64, 65  # the buttons of SGR reports


def report(button: int, column: int, row: int, *, released: bool = False) -> str:
    return f"\x1b[<{button};{column + 1};{row + 1}{'m' if released else 'M'}"


def click(terminal: Terminal, column: int, row: int) -> None:
    terminal.type(report(PRESS, column, row) + report(PRESS, column, row, released=True))


def row_of(terminal: Terminal, text: str) -> int:
    return next(row for row, line in enumerate(terminal.lines) if text in line)


def test_the_mouse_acts_in_the_panes_and_what_it_selects_is_copied(open_terminal: Open) -> None:
    terminal = open_terminal(*PHYSICS, size=NARROW, env={"TERM": "xterm-256color"})
    terminal.until(lambda: terminal.step > 200, "some steps")
    terminal.type(" ")
    terminal.until_shown("‖ paused")
    terminal.until_shown("└")

    terminal.type(report(WHEEL_UP, 40, 10))
    terminal.until_shown("zoom")
    click(terminal, 30, 10)
    terminal.until_shown("step")
    terminal.type(report(PRESS, 60, 10) + report(DRAG, 70, 10) + report(PRESS, 70, 10, released=True))
    terminal.until_shown("zoom, past")  # it shows what lies before
    terminal.type("0")

    terminal.type("3")
    terminal.until_shown("‖G_t‖")
    terminal.type(report(WHEEL_UP, 40, 10))
    terminal.until_shown("◀ step")
    terminal.type(report(WHEEL_DOWN, 40, 10))
    terminal.until(lambda: "◀ step" not in terminal.text, "now")

    terminal.type("5")
    terminal.until_shown("▸ 0")
    terminal.type(report(WHEEL_DOWN, 40, 10))
    terminal.until_shown("▸ 1")
    click(terminal, 40, row_of(terminal, "▸ 1") + 2)
    terminal.until_shown("▸ 3")

    row = row_of(terminal, "unit 3")
    column = terminal.lines[row].index("unit 3")
    terminal.type(report(PRESS, column, row) + report(DRAG, column + 5, row))
    terminal.type(report(PRESS, column + 5, row, released=True))
    terminal.until_shown("Copied 6 characters")
    copied = re.findall(rb"\x1b]52;c;([^\a]*)\a", terminal.output)
    assert [base64.b64decode(each) for each in copied] == [b"unit 3"]
