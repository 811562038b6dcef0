"""A run on another host, over a real SSH connection that takes its time, is cut, and comes back."""

from __future__ import annotations

import shlex
from pathlib import Path

from engine.runs.reader import RunReader
from tests.e2e.conftest import Open
from tests.e2e.program import PHYSICS, run, steps
from tests.e2e.slow_line import SlowLine
from tests.e2e.ssh import HOST, SshServer
from tests.e2e.test_ssh import probe
from tests.far_host import THERE, relays
from tests.waiting import wait_for


def test_a_run_on_another_host_is_watched_over_a_slow_line_that_is_cut(
    open_terminal: Open, server: SshServer, tmp_path: Path
) -> None:
    run_directory = tmp_path / "it"
    assert run(*PHYSICS, "--run", "it", "--detach", cwd=tmp_path).returncode == 0
    line = SlowLine(server.port, 0.1)
    there = f"cd {shlex.quote(str(tmp_path))} && {THERE}"
    screen = open_terminal(
        "attach", f"{HOST}:it", "--ssh", shlex.join(server.client(line.port)), "--remote-command", there
    )
    try:
        screen.until(lambda: screen.step > 50, "some steps")
        assert f"{HOST}:it (detached)" in screen.lines[0]
        probe(screen)

        line.cut()
        screen.until_shown("? out of touch")
        screen.until(lambda: "it is tried again" in screen.words, "the reason")
        at = max(steps(run_directory))
        screen.until(lambda: max(steps(run_directory)) > at + 50, "steps that nobody watches")
        screen.type("pa prompt")
        screen.until_shown("› the energya prompt")
        screen.type("\x1b")
        screen.until_shown("q quit")

        line.mend()
        screen.until_shown("▶ training")
        screen.until(lambda: screen.step > at, "steps of the same run")
        screen.type(" ")
        screen.until(lambda: RunReader(run_directory).state == "paused", "a run that obeys")
        screen.type(" ")
        screen.until_shown("▶ training")
        screen.type("q")
        screen.until_shown("Leave")
        screen.type("l")
        assert screen.wait() == 0
        assert f"{HOST}:it goes on: charrnn-tui attach {HOST}:it --ssh ".encode() in screen.output
        screen.assert_left_clean()
    finally:
        screen.close()
        line.close()
        stopped = run("stop", "it", cwd=tmp_path)
    assert stopped.stdout == b"it: was saved and has ended\n"  # it did not end with its viewer
    wait_for(lambda: not relays(run_directory))
