"""`charrnn-tui export`: writes what a run has recorded for another program to show."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from engine.runs.listing import find_run
from engine.runs.reader import RunReader
from engine.session.tensorboard import export
from tui.cli.output import complain, say, shell_word


def run(options: Namespace) -> int:
    """Write the event file, and print how to look at it. Returns the exit code."""
    reader = RunReader(find_run(options.run))
    if reader.caution:
        complain(reader.caution)
    export(reader, Path(options.tensorboard))
    say(f"{reader.path.name}: tensorboard --logdir {shell_word(options.tensorboard)}")
    return 0
