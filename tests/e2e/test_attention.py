"""Titles, notifications and the clipboard as a terminal gets them, in tmux too.

In a pipe and on a dumb terminal there are none.
"""

from __future__ import annotations

import base64
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Open
from tests.e2e.program import PHYSICS, PROGRAM, environment, run
from tests.e2e.terminal import WIDE, Terminal

SHORT = (*PHYSICS, "--steps", "60", "--run", "calm-fox", "--notify")
KEPT, BACK = b"\x1b[22;0t", b"\x1b[23;0t"
TITLE = b"\x1b]2;calm-fox \xc2\xb7 loss "
CALLED = b"\a\x1b]9;calm-fox: finished at step 60\a"


def seen(terminal: Terminal, *wanted: bytes) -> Callable[[], bool]:
    return lambda: all(each in terminal.output for each in wanted)


def copied(terminal: Terminal) -> str:
    """What the terminal was asked to put into the clipboard last (OSC 52)."""
    found = re.findall(rb"\x1b\]52;c?;([A-Za-z0-9+/]+=*)(?:\a|\x1b\\)", terminal.output)
    return base64.b64decode(found[-1]).decode() if found else ""


def test_the_dashboard_s_title_goes_when_it_is_left_and_its_end_is_called_out(open_terminal: Open) -> None:
    terminal = open_terminal(*SHORT)
    terminal.until(seen(terminal, KEPT, TITLE, CALLED), "a title and a call")
    terminal.until_shown("Finished at step 60")
    assert not copied(terminal)
    terminal.type("y")
    terminal.until(lambda: "Loss" in copied(terminal), "a pane's text in the clipboard")
    terminal.type("q")
    assert terminal.wait() == 0
    assert terminal.output.rindex(BACK) > terminal.output.rindex(b"\x1b]2;") > terminal.output.index(KEPT)
    terminal.assert_left_clean()


def test_without_a_screen_it_is_the_same(open_terminal: Open) -> None:
    terminal = open_terminal(*SHORT, "--headless")
    assert terminal.wait() == 0
    assert seen(terminal, KEPT, TITLE, CALLED)()
    assert terminal.output.rindex(BACK) > terminal.output.rindex(b"\x1b]2;")


def test_who_did_not_ask_is_not_called(open_terminal: Open) -> None:
    terminal = open_terminal(*SHORT[:-1], "--headless")
    assert terminal.wait() == 0
    assert TITLE in terminal.output
    assert b"]9;" not in terminal.output


def test_a_dumb_terminal_and_a_pipe_get_none_of_it(tmp_path: Path) -> None:
    command = ["env", "TERM=dumb", *PROGRAM, *SHORT, "--headless"]
    terminal = Terminal(command, WIDE, cwd=tmp_path, environment=environment())
    assert terminal.wait() == 0
    assert b"calm-fox: finished at step 60" in terminal.output
    for sequence in (b"\x1b]", KEPT, BACK, b"\a"):
        assert sequence not in terminal.output
    terminal.close()
    piped = run(*SHORT[:-2], "other-fox", "--notify", "--headless", cwd=tmp_path)
    assert b"other-fox: finished" in piped.stdout
    assert not {0x1B, 0x07} & {*piped.stdout, *piped.stderr}


@pytest.mark.parametrize("passes", ["on", "off"])
def test_tmux_passes_calls_and_the_clipboard_on_where_it_is_allowed_to(tmp_path: Path, passes: str) -> None:
    tmux = shutil.which("tmux")
    if tmux is None:
        pytest.skip("there is no tmux here")
    server = [tmux, "-S", str(tmp_path / "socket"), "-f", str(tmp_path / "settings")]
    settings = (f"allow-passthrough {passes}", f"set-clipboard {passes}", "set-titles on", "set-titles-string '#T'")
    (tmp_path / "settings").write_text("".join(f"set -g {setting}\n" for setting in settings))
    program = shlex.join([*PROGRAM, *SHORT])
    terminal = Terminal([*server, "new-session", program], WIDE, cwd=tmp_path, environment=environment())
    try:
        terminal.until_shown("Finished at step 60")
        terminal.until(seen(terminal, b"calm-fox \xc2\xb7 loss "), "a title")
        if passes == "on":
            terminal.until(seen(terminal, b"\x1b]9;calm-fox: finished at step 60"), "a call")
            terminal.type("y")
            terminal.until(lambda: "Loss" in copied(terminal), "a pane's text in the clipboard")
        else:
            terminal.type("q")
            assert terminal.wait() == 0  # what the program has sent has come
            assert b"\x1b]9;" not in terminal.output
    finally:
        subprocess.run([*server, "kill-server"], check=False)
        terminal.close()
