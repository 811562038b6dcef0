"""`charrnn-tui rm`: removes runs that have ended."""

from __future__ import annotations

from argparse import Namespace

from engine.errors import UserError
from engine.runs.directory import require_directory
from engine.runs.housekeeping import remove_run
from engine.runs.lock import holder
from tui.cli.output import remark, say
from tui.cli.stop import runs_named


def run(options: Namespace) -> int:
    """Remove the named runs, all or, if one of them trains, is a link or is not there, none. Returns the exit code."""
    paths = runs_named(options.runs)
    for path in paths:
        require_directory(path)
        if (pid := holder(path)) is not None:
            raise UserError(f"{path}: process {pid} trains this run; end it first with `charrnn-tui stop {path.name}`")
    for path in paths:
        if left := remove_run(path):
            remark(f"{path}: the run is removed; left there, because it is not of the run: {', '.join(left[:5])}")
        say(f"{path.name}: removed")
    return 0
