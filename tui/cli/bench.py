"""`charrnn-tui bench`: the speed of this program compared with others."""

from __future__ import annotations

from argparse import Namespace

from engine.errors import ConfigError, UserError
from tui.cli.output import remark, say


def run(options: Namespace) -> int:
    """Measure and print the tables."""
    from engine.bench.command import execute

    given = {name: value for name, value in vars(options).items() if value is not None}
    json_file = given.pop("json_file", None)
    try:
        execute(given, json_file, progress=remark, show=say)
    except ConfigError as error:
        raise UserError("; ".join(f"--{name}: {problem}" for name, problem in error.problems.items())) from None
    return 0
