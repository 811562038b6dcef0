"""`charrnn-tui stop`: has runs and sweeps in other processes save and stop."""

from __future__ import annotations

import os
import time
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path

from engine.errors import UserError
from engine.runs.listing import find_run
from engine.runs.lock import holder
from engine.runs.status import UNSAVED, read_state
from engine.sweep.begin import sweep_named
from engine.sweep.stop import stop
from engine.sweep.study import is_sweep
from tui.cli.output import say

PATIENCE = 60.0  # seconds that a run may take to save and end


def run(options: Namespace) -> int:
    """Stop the named runs and sweeps, and wait until they have ended.

    Returns the exit code, 1 if the end of one of them could not be saved.
    """
    paths = _each_once(sweep_named(name) or find_run(name) for name in options.runs)
    live = [path for path in paths if holder(path) is not None and _ask(path)]
    for path in paths:
        if path not in live:
            say(f"{path.name}: had ended already")
    all_saved = True
    for path in live:
        _wait_for(path)
        reason = "" if is_sweep(path) else read_state(path).reason  # a disk may have been full
        say(f"{path.name}: has ended; {reason}" if reason else f"{path.name}: was saved and has ended")
        all_saved = all_saved and UNSAVED not in reason
    return 0 if all_saved else 1


def _ask(path: Path) -> bool:
    """Ask the run to stop; False if it has ended meanwhile. Raises `UserError` if its process does not answer."""
    try:
        stop(path)
    except UserError:
        if holder(path) is not None:
            raise
        return False
    return True


def runs_named(names: Iterable[str]) -> list[Path]:
    """The directories of the runs with these names, each once. Raises `UserError` if one is not there."""
    return _each_once(map(find_run, names))


def _each_once(paths: Iterable[Path]) -> list[Path]:
    return list(dict.fromkeys(Path(os.path.abspath(path)) for path in paths))  # `.` has no name of its own


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while holder(path) is not None:
        if time.monotonic() > deadline:
            raise UserError(f"{path}: was asked to stop, but goes on after {PATIENCE:.0f} seconds; look at its log.txt")
        time.sleep(0.05)
