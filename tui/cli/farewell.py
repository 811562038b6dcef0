"""What becomes of a run whose dashboard was left, and the command that finds it again."""

from __future__ import annotations

from pathlib import Path

from engine.errors import UserError
from engine.runs import ROOT
from engine.stored_run import StoredRun
from tui.viewer import OVER


def print_farewell(directory: Path) -> None:
    """One line, as the run's own directory has it."""
    try:
        run = StoredRun(directory)
    except UserError:  # it has been deleted under the dashboard
        return
    name = run.path.name if run.path.parent == ROOT.absolute() else str(run.path)
    step = run.status.get("step", 0)
    if run.pid is not None and run.state not in OVER:
        print(f"{name} goes on: charrnn-tui attach {name}")
    elif run.state == "finished":
        print(f"{name}: finished at step {step:,}")
    else:
        print(f"{name}: {run.state} at step {step:,}; to go on: charrnn-tui train --resume {name}")
