"""Every way out: the run is saved, the process gone, the terminal as it was."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from engine.runs import checkpoint
from engine.runs.reader import RunReader
from engine.runs.status import read_state
from engine.runs.writer import CHECKPOINT
from tests.e2e.conftest import Open, Start
from tests.e2e.program import PHYSICS, PROGRAM, assert_saved, environment, run, steps
from tests.e2e.terminal import NARROW, PATIENCE, Terminal
from tests.waiting import wait_for

RUN = ("--run", "it")
ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def training(open_terminal: Open, tmp_path: Path, *, controlling: bool = True) -> tuple[Terminal, Path]:
    """A dashboard that has reported some steps, and its run."""
    terminal = open_terminal(*PHYSICS, *RUN, controlling=controlling)
    terminal.until(lambda: terminal.step > 50, "some steps")
    return terminal, tmp_path / "it"


def wait_for_the_end(terminal: Terminal) -> None:
    assert terminal.wait() == 0, terminal.text


@pytest.mark.parametrize("keys", ["q", "\x03"])
def test_save_and_quit(open_terminal: Open, tmp_path: Path, keys: str) -> None:
    terminal, run_directory = training(open_terminal, tmp_path)
    terminal.type(keys)
    terminal.until_shown("Save and quit")
    at = terminal.step
    terminal.type("s")
    wait_for_the_end(terminal)
    terminal.assert_left_clean()
    assert_saved(run_directory)
    assert max(steps(run_directory)) > at - 50


def test_quit_without_saving(open_terminal: Open, tmp_path: Path) -> None:
    terminal, run_directory = training(open_terminal, tmp_path)
    terminal.type("qx")
    wait_for_the_end(terminal)
    terminal.assert_left_clean()
    stored = RunReader(run_directory)
    assert (stored.state, stored.pid) == ("stopped", None)
    assert checkpoint.read(run_directory / CHECKPOINT)[1]["steps"] < stored.status.step


def test_stay(open_terminal: Open, tmp_path: Path) -> None:
    terminal, _ = training(open_terminal, tmp_path)
    terminal.type("q")
    terminal.until_shown("Save and quit")
    terminal.type("\x1b")
    terminal.until(lambda: "Save and quit" not in terminal.text, "no dialog")
    at = terminal.step
    terminal.until(lambda: terminal.step > at, "training")


def test_a_paused_run_is_left_as_quickly(open_terminal: Open, tmp_path: Path) -> None:
    terminal, run_directory = training(open_terminal, tmp_path)
    terminal.type(" ")
    terminal.until_shown("‖ paused")
    terminal.type("qs")
    wait_for_the_end(terminal)
    terminal.assert_left_clean()
    assert_saved(run_directory)


@pytest.mark.parametrize("number", ENDS)
def test_a_signal_to_the_dashboard(open_terminal: Open, tmp_path: Path, number: signal.Signals) -> None:
    terminal, run_directory = training(open_terminal, tmp_path)
    os.kill(terminal.process.pid, number)
    wait_for_the_end(terminal)
    terminal.assert_left_clean()
    assert_saved(run_directory)


def test_a_signal_before_the_screen_is_there(open_terminal: Open, tmp_path: Path) -> None:
    terminal = open_terminal(*PHYSICS, *RUN)
    terminal.until(lambda: read_state(tmp_path / "it").state == "training", "a run")
    os.kill(terminal.process.pid, signal.SIGTERM)
    wait_for_the_end(terminal)
    assert terminal.is_restored
    assert RunReader(tmp_path / "it").state == "stopped"


@pytest.mark.parametrize("number", ENDS)
def test_a_signal_to_a_headless_run(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    started = start(*PHYSICS, *RUN, "--headless")
    run_directory = tmp_path / "it"
    wait_for(lambda: steps(run_directory))
    started.process.send_signal(number)
    assert started.process.wait(PATIENCE) == 0
    assert started.errors.read_text() == ""
    assert "it: stopped at step" in started.out.read_text()
    assert_saved(run_directory)


@pytest.mark.parametrize("controlling", [True, False])
def test_the_terminal_is_closed(open_terminal: Open, tmp_path: Path, controlling: bool) -> None:
    terminal, run_directory = training(open_terminal, tmp_path, controlling=controlling)
    terminal.hang_up()
    assert terminal.process.wait(PATIENCE) == 0
    assert_saved(run_directory)


def test_the_terminal_of_a_headless_run_is_closed(open_terminal: Open, tmp_path: Path) -> None:
    terminal = open_terminal(*PHYSICS, *RUN, "--headless")
    terminal.until(lambda: steps(tmp_path / "it"), "a report")
    terminal.hang_up()
    assert terminal.process.wait(PATIENCE) == 0
    assert_saved(tmp_path / "it")


def test_ctrl_c_at_the_progress_bar(open_terminal: Open, tmp_path: Path) -> None:
    terminal = open_terminal(*PHYSICS, *RUN, "--headless", "--steps", "1000000", size=NARROW)
    terminal.until_shown("chars/s")
    terminal.type("\x03")
    wait_for_the_end(terminal)
    assert terminal.is_restored
    assert b"stopped at step" in terminal.output
    assert_saved(tmp_path / "it")


def test_ctrl_z_and_fg_under_a_shell(tmp_path: Path) -> None:
    shell = Terminal(["bash", "--norc", "--noprofile", "-i"], cwd=tmp_path, environment=environment(PS1="shell> "))
    try:
        shell.until_shown("shell>")
        shell.type("stty -a >before; clear\r")
        shell.type(f"{' '.join(PROGRAM)} {' '.join(PHYSICS)} --run it\r")
        shell.until(lambda: shell.step > 50, "some steps")
        shell.output = b""
        shell.type("\x1a")
        shell.until(lambda: b"Stopped" in shell.output, "the shell")
        shell.type("stty -a >part; mv part meanwhile\r")
        wait_for((tmp_path / "meanwhile").exists)
        assert b"\x1b[?1049l" in shell.output
        assert b"\x1b[?25h" in shell.output
        written = steps(tmp_path / "it")
        shell.scribble("▒")
        shell.type("fg\r")
        shell.until(lambda: "▶ training" in shell.text and "▒" not in shell.text, "the whole screen again")
        shell.until(lambda: len(steps(tmp_path / "it")) > len(written), "training")
        shell.output = b""
        shell.type("qs")
        shell.until(lambda: b"shell>" in shell.output, "the shell")
        shell.type("echo code $?; stty -a >part; mv part after\r")
        shell.until(lambda: b"code 0" in shell.output, "the exit code")
        wait_for((tmp_path / "after").exists)
        assert_saved(tmp_path / "it")
        before = (tmp_path / "before").read_text()
        assert before == (tmp_path / "meanwhile").read_text() == (tmp_path / "after").read_text()
    finally:
        shell.close()


def test_a_detached_run_survives_its_terminal_and_sighup(tmp_path: Path) -> None:
    terminal = Terminal([*PROGRAM, *PHYSICS, *RUN, "--detach"], cwd=tmp_path, environment=environment())
    try:
        terminal.until(lambda: b"it\r\n" in terminal.output, "the run's name")
        terminal.hang_up()
        assert terminal.process.wait(PATIENCE) in (0, -signal.SIGHUP)
    finally:
        terminal.close()
    run_directory = tmp_path / "it"
    stored = RunReader(run_directory)
    pid = stored.pid
    assert pid is not None
    os.kill(pid, signal.SIGHUP)
    at = max(steps(run_directory), default=0)
    wait_for(lambda: max(steps(run_directory), default=0) > at + 100)
    assert stored.pid == pid
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: stored.pid is None)
    assert_saved(run_directory)


def test_detach_prints_the_name_and_runs_lists_it(tmp_path: Path) -> None:
    started = run(*PHYSICS, "--detach", cwd=tmp_path)
    assert (started.returncode, started.stderr) == (0, b"")
    name = started.stdout.decode().strip()
    listed = subprocess.run(
        [*PROGRAM, "runs", "--json"], cwd=tmp_path, capture_output=True, check=True, env=environment()
    ).stdout.decode()
    assert f'"name": "{name}"' in listed
    assert '"state": "live"' in listed
