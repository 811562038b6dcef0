"""Several dashboards on one run: what one does the others see, and one that hangs holds up no other."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from engine.runs.reader import RunReader
from tests.e2e.conftest import Open
from tests.e2e.program import PHYSICS, assert_saved, run, steps
from tests.e2e.terminal import NARROW, Terminal
from tests.waiting import wait_for

MEGABYTE = 1 << 20


def memory(pid: int) -> int:
    """Bytes that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def attached(open_terminal: Open, size: tuple[int, int]) -> Terminal:
    terminal = open_terminal("attach", "it", size=size)
    terminal.until(lambda: terminal.step > 0, "steps")
    return terminal


def test_a_viewer_that_hangs_holds_up_no_other(open_terminal: Open, tmp_path: Path) -> None:
    run_directory = tmp_path / "it"
    assert run(*PHYSICS, "--run", "it", "--detach", cwd=tmp_path).returncode == 0
    pid = RunReader(run_directory).pid
    assert pid is not None
    one, other = attached(open_terminal, (120, 36)), attached(open_terminal, NARROW)

    held, at = memory(pid), max(steps(run_directory))
    os.kill(one.process.pid, signal.SIGSTOP)
    other.until(lambda: max(steps(run_directory)) > at + 2000, "steps")
    seen = other.step
    other.until(lambda: other.step > seen, "the other viewer's steps")
    other.type(" ")
    other.until_shown("‖ paused")
    other.type(" ")
    other.until_shown("▶ training")
    assert memory(pid) - held < 32 * MEGABYTE

    os.kill(one.process.pid, signal.SIGCONT)
    one.until(lambda: one.step > seen, "the way back to now")
    one.type(" ")
    other.until_shown("‖ paused")
    one.type("qd")
    assert one.wait() == 0
    one.assert_left_clean()
    other.type(" ")
    at = max(steps(run_directory))
    other.until(lambda: max(steps(run_directory)) > at, "steps after a viewer has left")
    other.type("qs")
    assert other.wait() == 0
    wait_for(lambda: RunReader(run_directory).pid is None)
    assert_saved(run_directory)


def test_a_live_run_has_one_writer(tmp_path: Path) -> None:
    assert run(*PHYSICS, "--run", "it", "--detach", cwd=tmp_path).returncode == 0
    second = run("train", "--resume", "it", "--headless", cwd=tmp_path)
    assert second.returncode == 2
    assert len(second.stderr.decode().splitlines()) == 1
    assert RunReader(tmp_path / "it").state == "training"


def test_the_run_on_the_screen_is_detached_and_goes_on(open_terminal: Open, tmp_path: Path) -> None:
    run_directory = tmp_path / "it"
    terminal = open_terminal(*PHYSICS, "--run", "it")
    terminal.until(lambda: terminal.step > 50, "some steps")
    terminal.type("d")
    terminal.until_shown("(detached)")
    terminal.until(lambda: RunReader(run_directory).pid != terminal.process.pid, "a process of its own")
    at = terminal.step
    terminal.until(lambda: terminal.step > at, "steps")
    terminal.hang_up()
    assert terminal.process.wait(120) == 0
    reached = max(steps(run_directory))
    again = attached(open_terminal, NARROW)
    again.until(lambda: again.step > reached, "steps after that")
    again.type("qs")
    assert again.wait() == 0
    reported = steps(run_directory)
    assert reported == sorted(set(reported))
    assert set(range(10, reported[-1] + 1, 10)) <= set(reported)


def test_a_viewer_sees_how_a_run_ended_and_asks_what_it_left(open_terminal: Open, tmp_path: Path) -> None:
    run_directory = tmp_path / "it"
    assert run(*PHYSICS, "--run", "it", "--detach", cwd=tmp_path).returncode == 0
    viewer = attached(open_terminal, (120, 36))
    pid = RunReader(run_directory).pid
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    viewer.until(lambda: RunReader(run_directory).pid is None, "its end")
    viewer.until_shown("■ stopped")
    viewer.until(lambda: viewer.step == RunReader(run_directory).status.step, "the last step")
    viewer.type("pthe moon")
    viewer.until_shown("› the moon")
    viewer.until_shown("logit")
    viewer.until(lambda: "waiting for an answer" not in viewer.text, "an answer")
    viewer.type("\x1b")
    viewer.settle()
    viewer.type("q")
    assert viewer.wait() == 0
    viewer.assert_left_clean()
