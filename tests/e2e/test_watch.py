"""A training loop in PyTorch, in a process of its own, on the dashboard of another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from engine.runs.reader import RunReader
from tests.e2e.conftest import Open
from tests.e2e.program import assert_saved, environment, steps
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]


def test_the_dashboard_shows_and_steers_somebody_elses_loop(open_terminal: Open, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("the rain on the hill, and the old road by the sea.\n" * 60)
    run = tmp_path / "it"
    script = ROOT / "tests" / "watched_loop.py"
    variables = environment(PYTHONPATH=os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    loop = subprocess.Popen([sys.executable, script, "text.txt", "it"], cwd=tmp_path, env=variables)
    try:
        wait_for(lambda: (run / "metrics.jsonl").exists() and steps(run))
        assert RunReader(run).pid == loop.pid
        first = open_terminal("attach", "it")
        first.until(lambda: first.step > 0, "steps")
        for title in ("Loss", "Samples", "Gradients", "Connectivity", "Cells"):
            first.until_shown(title)
        for answer in ("‖G_0‖/‖G_19‖", "reach", "16 units"):  # of gradients, connectivity, cells
            first.until_shown(answer)
        first.process.kill()  # a viewer that dies harms nothing
        at = max(steps(run))
        wait_for(lambda: max(steps(run)) > at + 100)

        terminal = open_terminal("attach", "it", size=(80, 24))
        terminal.until(lambda: terminal.step > at, "steps")
        terminal.type(" ")
        terminal.until_shown("‖ paused")
        at = terminal.step
        terminal.type(".")
        terminal.until(lambda: terminal.step == at + 1, "a single step")
        terminal.type("[")
        terminal.until_shown("lr 8.0e-3")
        terminal.type(" ")
        terminal.until(lambda: terminal.step > at + 20, "steps")
        terminal.type("qs")
        assert terminal.wait() == 0
        assert loop.wait(120) == 0
        assert_saved(run)
    finally:
        loop.kill()
        loop.wait()
