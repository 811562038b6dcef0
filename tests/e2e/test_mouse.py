"""The mouse as a terminal reports it: bytes in, what is on the screen, and in the clipboard, out."""

from __future__ import annotations

import base64
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.program import PHYSICS, PROGRAM, environment
from tests.e2e.terminal import NARROW, Terminal

PRESS, DRAG, WHEEL_UP, WHEEL_DOWN = 0, 32, 64, 65  # the buttons of SGR reports


@pytest.fixture(params=["a terminal", "tmux"])
def terminal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    """The program on a terminal, which is tmux's the second time: then all bytes go through that, both ways."""
    command: list[str | Path] = [*PROGRAM, *PHYSICS]
    server = ["tmux", "-S", str(tmp_path / "socket"), "-f", str(tmp_path / "settings")]
    if request.param == "tmux":
        if shutil.which("tmux") is None:
            pytest.skip("there is no tmux here")
        settings = ("mouse on", "set-clipboard on", "status off", "escape-time 0")
        (tmp_path / "settings").write_text("".join(f"set -g {setting}\n" for setting in settings))
        command = [*server, "new-session", shlex.join(map(str, command))]
    terminal = Terminal(command, NARROW, cwd=tmp_path, environment=environment(TERM="xterm-256color"))
    yield terminal
    if request.param == "tmux":
        subprocess.run([*server, "kill-server"], check=False)
    terminal.close()


def report(button: int, column: int, row: int, *, released: bool = False) -> str:
    return f"\x1b[<{button};{column + 1};{row + 1}{'m' if released else 'M'}"


def click(terminal: Terminal, column: int, row: int) -> None:
    terminal.type(report(PRESS, column, row) + report(PRESS, column, row, released=True))


def row_of(terminal: Terminal, text: str) -> int:
    return next(row for row, line in enumerate(terminal.lines) if text in line)


def drag(terminal: Terminal, start: tuple[int, int], end: tuple[int, int]) -> None:
    terminal.type(report(PRESS, *start) + report(DRAG, *end) + report(PRESS, *end, released=True))


def test_the_mouse_acts_in_the_panes_and_what_it_selects_is_copied(terminal: Terminal) -> None:
    terminal.until(lambda: terminal.step > 200, "some steps")
    terminal.type(" ")
    terminal.until_shown("‖ paused")
    terminal.until_shown("└")

    # Loss: the wheel zooms, a click sets the cursor, and dragging pans.
    terminal.type(report(WHEEL_UP, 40, 10))
    terminal.until_shown("zoom")
    click(terminal, 30, 10)
    terminal.until_shown("step")
    drag(terminal, (60, 10), (70, 10))
    terminal.until_shown("zoom, past")  # it shows what lies before
    terminal.type("0")

    # Gradients: the wheel walks through the moments; a click on a tab brings a pane.
    click(terminal, terminal.lines[row_of(terminal, "3 Gradients")].index("3 Gradients") + 3, 3)
    terminal.until_shown("‖G_t‖")
    terminal.type(report(WHEEL_UP, 40, 10))
    terminal.until_shown("◀ step")
    terminal.type(report(WHEEL_DOWN, 40, 10))
    terminal.until(lambda: "◀ step" not in terminal.text, "now")

    # Connectivity: a click sets the caret, walks to a character, and asks about a candidate.
    terminal.type("p")
    terminal.until_shown("done")
    terminal.type("the time")
    terminal.until_shown("› the time")
    row = row_of(terminal, "› the time")
    column = terminal.lines[row].index("› the time") + 2
    click(terminal, column + 3, row)
    terminal.type("s")
    terminal.until_shown("› thes time")
    terminal.type("\r")
    terminal.until_shown("type")
    click(terminal, column + 1, row)
    terminal.until_shown("‹h› → ‹e› actual")
    other = next(y for y, line in enumerate(terminal.lines) if y > row + 1 and "%" in line and "▸" not in line)
    click(terminal, 20, other)
    terminal.until_shown("picked")

    # Cells: the wheel and a click choose a unit; what is dragged over is copied.
    terminal.type("5")
    terminal.until_shown("▸ 0")
    terminal.type(report(WHEEL_DOWN, 40, 10))
    terminal.until_shown("▸ 1")
    click(terminal, 40, row_of(terminal, "▸ 1") + 2)
    terminal.until_shown("▸ 3")
    row = row_of(terminal, "unit 3")
    column = terminal.lines[row].index("unit 3")
    drag(terminal, (column, row), (column + 5, row))
    terminal.until_shown("Copied 6 characters")
    copied = re.findall(rb"\x1b]52;c?;([A-Za-z0-9+/=]*)(?:\a|\x1b\\)", terminal.output)
    assert [base64.b64decode(each) for each in copied] == [b"unit 3"]
