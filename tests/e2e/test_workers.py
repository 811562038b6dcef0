"""A run that two processes compute: one ends with the other, and however it ends, a good checkpoint is left."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from engine.runs import checkpoint
from engine.runs.reader import RunReader
from engine.runs.writer import CHECKPOINT
from tests.e2e.conftest import Open
from tests.e2e.program import PHYSICS, PROGRAM, assert_saved, environment, run, steps
from tests.e2e.terminal import Terminal
from tests.waiting import wait_for

SHARED = (*PHYSICS, "--workers", "2", "--run", "it")


# The program, which saves nothing by itself.
UNSAVED = """
import sys
from engine.session import loop
from tui.cli import main

loop.FIRST_SAVE_SECONDS = 1e9
sys.exit(main())
"""


def children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has ended meanwhile
            found += map(int, (task / "children").read_text().split())
    return found


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_signal_ends_both_and_the_run_goes_on_later_with_the_same_bits(open_terminal: Open, tmp_path: Path) -> None:
    terminal = open_terminal(*SHARED)
    terminal.until(lambda: terminal.step > 20, "steps")
    (worker,) = children(terminal.process.pid)
    os.kill(terminal.process.pid, signal.SIGTERM)
    assert terminal.wait() == 0
    terminal.assert_left_clean()
    wait_for(lambda: not is_running(worker))
    assert_saved(tmp_path / "it")

    done = int(checkpoint.read(tmp_path / "it" / CHECKPOINT)[1]["steps"])
    to = ("--headless", "--steps", str(done + 30))
    assert run("train", "--resume", "it", *to, cwd=tmp_path).returncode == 0
    assert run(*SHARED[:-1], "straight", *to, cwd=tmp_path).returncode == 0
    resumed, straight = (RunReader(tmp_path / name).weights().flat for name in ("it", "straight"))
    assert resumed.tobytes() == straight.tobytes()


def test_a_killed_run_takes_its_worker_with_it(tmp_path: Path) -> None:
    assert run(*SHARED, "--detach", cwd=tmp_path).returncode == 0
    pid = RunReader(tmp_path / "it").pid
    assert pid is not None
    wait_for(lambda: len(steps(tmp_path / "it")) > 3)
    (worker,) = children(pid)
    os.kill(pid, signal.SIGSTOP)  # in the middle of a step, as likely as not
    time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not is_running(worker))
    checkpoint.read(tmp_path / "it" / CHECKPOINT)


def test_a_worker_that_is_killed_is_reported_and_no_half_step_is_saved(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-c", UNSAVED, *SHARED]
    terminal = Terminal(command, cwd=tmp_path, environment=environment())
    try:
        terminal.until(lambda: terminal.step > 20, "steps")
        saved = (tmp_path / "it" / CHECKPOINT).read_bytes()
        (worker,) = children(terminal.process.pid)
        os.kill(worker, signal.SIGKILL)
        terminal.until_shown("✗ failed")
        terminal.until(lambda: "a process that shared the work ended (exit code -9)" in terminal.words, "the reason")
        terminal.type("s")
        terminal.settle()
        assert (tmp_path / "it" / CHECKPOINT).read_bytes() == saved
        terminal.type("q")
        assert terminal.wait() == 0
        terminal.assert_left_clean()
    finally:
        terminal.close()


def test_standard_input_that_is_closed_and_a_thousand_texts_are_no_obstacle(tmp_path: Path) -> None:
    texts = tmp_path / "-".join(["a-rather-long-name-for-a-directory"] * 5)
    texts.mkdir()
    names = [str(texts / f"{number}.txt") for number in range(1000)]  # more than one argument of a command can hold
    for name in names:
        Path(name).write_text("a little text of its own\n")
    command = ["sh", "-c", 'exec "$@" <&-', "sh", *PROGRAM, "train", *names, *SHARED[2:], "--headless", "--steps", "9"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, env=environment())
    assert result.returncode == 0, result.stdout + result.stderr
    assert RunReader(tmp_path / "it").status.step == 9


def test_a_signal_to_all_processes_while_they_start_saves_and_ends(tmp_path: Path) -> None:
    for delay in (0.0, 0.02, 0.05):
        command = [*PROGRAM, *SHARED[:-1], f"after-{delay}", "--headless"]
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, start_new_session=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b"run ")
            time.sleep(delay)
            os.killpg(process.pid, signal.SIGINT)
            process.stdout.read()
        assert process.returncode == 0
        assert RunReader(tmp_path / f"after-{delay}").state == "stopped"


def test_a_run_is_resumed_with_as_many_processes_as_another_machine_has(tmp_path: Path) -> None:
    def goes_on(*options: str) -> subprocess.CompletedProcess[bytes]:
        return run("train", "--resume", "it", "--headless", *options, cwd=tmp_path)

    assert run(*SHARED, "--headless", "--steps", "20", cwd=tmp_path).returncode == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "it").glob("*.*")}
    for bad, said in (("99", "--workers: 99 would wait"), ("-1", "--workers: -1 is too small"), ("x", "--workers")):
        refused = goes_on("--steps", "40", "--workers", bad)
        assert refused.returncode == 2
        assert said.encode() in refused.stderr
        assert refused.stderr.count(b"\n") == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "it").glob("*.*")} == before
    assert goes_on("--steps", "40", "--workers", "1").returncode == 0
    assert RunReader(tmp_path / "it").config.workers == 1
    assert steps(tmp_path / "it") == [10, 20, 30, 40]
