"""`charrnn-tui attach`: opens the dashboard on a run in another process, or on one that has ended."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from engine.errors import UserError
from engine.remote.client import open_link
from engine.runs.listing import ROOT, UNREADABLE, find_run, list_runs
from engine.sweep.begin import sweep_named
from tui.app.foreground import Foreground
from tui.cli.output import require_terminal, show_until_left


def run(options: Namespace) -> int:
    """Open the dashboard on the named run, or on the one that `latest` chooses. Returns the exit code."""
    require_terminal("`charrnn-tui runs --list` prints the states of the runs")
    from tui.app.app import CharrnnApp

    if options.run and (sweep := sweep_named(options.run)) is not None:
        from tui.app.sweep_app import watch_sweep

        return watch_sweep(sweep).code
    current = Foreground()  # a run that has ended can go on in this process
    link = open_link(find_run(options.run) if options.run else latest())
    app = CharrnnApp(link, detach=current.hand_over, resume=current.take_up, fps=options.fps, notifies=options.notify)
    return show_until_left(app, current)


def latest() -> Path:
    """The live run that began last; if none is live, the run that was written last, because it was worked on last.

    Raises `UserError` if there is none that can be opened.
    """
    runs = [run for run in list_runs(ROOT) if run.state not in UNREADABLE]
    if not runs:
        raise UserError(f"there are no runs in {ROOT}; start one with `charrnn-tui train`")
    live = [run for run in runs if run.pid is not None]  # each is written once a second, so their times say nothing
    return min(live, key=lambda run: run.age).path if live else max(runs, key=lambda run: run.updated).path
