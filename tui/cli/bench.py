"""`charrnn-tui bench`: the speed of this program compared with others."""

from __future__ import annotations

from argparse import Namespace

from tui.cli.output import remark, say


def run(options: Namespace) -> int:
    """Measure and print the tables."""
    from engine.bench.command import execute

    given = {name: value for name, value in vars(options).items() if value is not None}
    execute(**given, progress=remark, show=say)
    return 0
