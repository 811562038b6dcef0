"""`charrnn-tui runs`: shows the runs in a directory, on a screen, as a table or as JSON."""

from __future__ import annotations

import dataclasses
import sys
from argparse import Namespace
from pathlib import Path

from engine.errors import UserError
from engine.runs.listing import UNREADABLE, RunSummary, list_runs
from tui.cli.output import require_terminal, say, say_json
from tui.rendering.numbers import age, nats
from tui.rendering.text import visible_text


def run(options: Namespace) -> int:
    """List the runs in a directory. Returns the exit code."""
    directory = Path(options.directory)
    if options.directory != "runs" and not directory.is_dir():
        raise UserError(f"{directory}: is no directory; name one that holds runs")
    if options.json:
        found = [{**dataclasses.asdict(summary), "path": str(summary.path)} for summary in list_runs(directory)]
        say_json(found, indent=1)
    elif options.list or not sys.stdout.isatty():
        _print_table(list_runs(directory), directory)
    else:
        from tui.app.runs_app import browse

        require_terminal("add --list or --json")
        return browse(directory)
    return 0


def _print_table(runs: list[RunSummary], directory: Path) -> None:
    if not runs:
        say(f"no runs in {directory}")
        return
    say(f"{'run':<20} {'state':<9} {'step':>9} {'loss':>7} {'best':>7}  {'cell':<12} {'text':<20} {'age':>5}")
    for run in runs:
        if run.state in UNREADABLE:
            say(f"{visible_text(run.name):<20} {run.state:<9} {visible_text(run.reason)}")
            continue
        say(
            f"{visible_text(run.name):<20} {run.state:<9} {run.step:>9,} {nats(run.loss):>7} {nats(run.best):>7}  "
            f"{run.cell:<12} {visible_text(run.text)[:20]:<20} {age(run.age):>5}"
        )
