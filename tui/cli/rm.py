"""`charrnn-tui rm`: removes runs that have ended."""

from __future__ import annotations

from argparse import Namespace

from engine.errors import UserError
from engine.runs.directory import require_directory
from engine.runs.housekeeping import remove_run
from engine.runs.lock import holder
from engine.sweep.begin import sweep_named
from tui.cli.output import remark, say, shell_word
from tui.cli.stop import runs_named


def run(options: Namespace) -> int:
    """Remove the named runs, all or, if one of them trains, is a link or is not there, none. Returns the exit code."""
    for name in options.runs:
        if (sweep := sweep_named(name)) is not None:
            whole = shell_word(str(sweep))
            raise UserError(f"{name}: is a sweep, and its directory holds all its runs; remove that: rm -r {whole}")
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
