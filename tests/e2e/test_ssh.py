"""Over a real SSH connection: a run outlives the connection it was started over, and is taken up by the next."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from engine.runs.logs import read_rows
from engine.runs.reader import RunReader
from tests.e2e.boxes import boxes
from tests.e2e.program import PHYSICS, assert_saved, steps
from tests.e2e.ssh import SshServer
from tests.e2e.terminal import NARROW, Terminal
from tests.far_host import THERE
from tests.waiting import wait_for

CHARRNN = THERE


def learning_rate(run_directory: Path) -> float:
    """The last one in the log."""
    return float(read_rows(run_directory / "metrics.jsonl")[-1]["lr"])


def viewers(tmp_path: Path) -> list[str]:
    """Dashboards that look at runs in `tmp_path`, ssh itself not counted."""
    listed = subprocess.run(
        ["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [line for line in listed if f"attach {tmp_path}" in line and "ssh" not in line.split()[0]]


def test_a_run_outlives_the_connection(server: SshServer, tmp_path: Path) -> None:
    run_directory = tmp_path / "it"
    first = server.open(f"{CHARRNN} {shlex.join(PHYSICS)} --run it --detach", cwd=tmp_path)
    try:
        assert first.wait() == 0, first.text
        assert "it" in first.words
    finally:
        first.close()
    pid = RunReader(run_directory).pid
    assert pid is not None

    attach = f"{CHARRNN} attach {run_directory}"
    cut = server.open(attach, cwd=tmp_path)
    try:
        cut.until(lambda: cut.step > 50, "some steps")
        assert viewers(tmp_path)
        os.kill(cut.process.pid, signal.SIGKILL)
    finally:
        cut.close()
    wait_for(lambda: not viewers(tmp_path))
    at = max(steps(run_directory))
    wait_for(lambda: max(steps(run_directory)) > at + 50)

    again = server.open(attach, cwd=tmp_path)
    try:
        again.until(lambda: again.step > at, "the same run, further on")
        assert "(detached)" in again.lines[0]
        probe(again)
        before = learning_rate(run_directory)
        again.type("]")
        again.until(lambda: learning_rate(run_directory) == pytest.approx(1.25 * before), "another rate in the log")
        again.type("q")
        again.until_shown("Save, stop it and quit")
        again.type("s")
        assert again.wait() == 0
        assert b"\x1b[?1049l" in again.output
    finally:
        again.close()
    wait_for(lambda: RunReader(run_directory).pid is None)
    assert_saved(run_directory)
    reported = steps(run_directory)
    assert reported == sorted(set(reported))
    assert set(range(10, reported[-1] + 1, 10)) <= set(reported)


def probe(terminal: Terminal) -> None:
    terminal.type("pthe energy")
    row = terminal.until(
        lambda: next((row for row, line in enumerate(terminal.lines) if "› the energy" in line), 0), "the prompt"
    )
    start = terminal.lines[row].index("› the energy") + 2
    terminal.until(
        lambda: len({terminal.screen.buffer[row][start + place].bg for place in range(len("the energy"))}) > 2,
        "colours",
    )
    terminal.type("\x1b")
    terminal.until_shown("q quit")


def test_a_login_without_a_language_shows_the_screen(server: SshServer, tmp_path: Path) -> None:
    terminal = server.open(f"{CHARRNN} {shlex.join(PHYSICS)} --run it", cwd=tmp_path, size=NARROW, LANG="C", LC_ALL="C")
    try:
        terminal.until(lambda: terminal.step > 50 and len(boxes(terminal)) == 1, "a pane")
        assert "▶ training" in terminal.text
        terminal.process.kill()
    finally:
        terminal.close()
    wait_for(lambda: RunReader(tmp_path / "it").pid is None)
    assert_saved(tmp_path / "it")
