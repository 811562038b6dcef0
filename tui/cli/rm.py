"""`charrnn-tui rm`: removes runs that have ended."""

from __future__ import annotations

from argparse import Namespace

from engine.errors import UserError
from engine.runs.housekeeping import remove_run
from engine.runs.listing import find_run
from engine.runs.lock import holder
from tui.cli.output import remark, say


def run(options: Namespace) -> int:
    """Remove the named runs, all or, if one of them trains or is not there, none. Returns the exit code."""
    paths = [find_run(name) for name in options.runs]
    for path in paths:
        if (pid := holder(path)) is not None:
            raise UserError(f"{path}: process {pid} trains this run; end it first with `charrnn-tui stop {path.name}`")
    for path in dict.fromkeys(paths):
        if left := remove_run(path):
            remark(f"{path}: the run is removed; left there, because it is not of the run: {', '.join(left[:5])}")
        say(f"{path.name}: removed")
    return 0
