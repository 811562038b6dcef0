"""`charrnn-tui attach`: the dashboard on a run in another process, or on one that has ended."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from engine.errors import UserError
from engine.messages import Link
from engine.runs import ROOT, find_run, list_runs
from engine.stored_run import StoredRun
from tui.cli.train import require_terminal


def run(options: Namespace) -> int:
    """Open the dashboard on the run that was named, or on the latest."""
    require_terminal("`charrnn-tui runs --list` tells how it goes")
    from tui.app import CharrnnApp
    from tui.cli.background import Foreground
    from tui.cli.farewell import print_farewell

    current = Foreground()  # for a run that has ended and goes on here
    link = open_link(find_run(options.run) if options.run else latest())
    app = CharrnnApp(link, detach=current.hand_over, resume=current.take_up, fps=options.fps)
    try:
        code = app.run_until_left()
    finally:
        current.end()
    print_farewell(Path(app.viewer.link.info.directory))
    return code


def latest() -> Path:
    """The run that was worked on last, live ones first."""
    runs = sorted(list_runs(ROOT), key=lambda run: (run.pid is None, run.age))
    if not runs:
        raise UserError(f"there are no runs in {ROOT}; start one with `charrnn-tui train`")
    return Path(runs[0].path)


def open_link(path: Path) -> Link:
    """A link to the run in `path`: over its socket where it is live, to what it left behind where it is not."""
    if StoredRun(path).pid is not None:
        from engine.remote import RemoteLink

        return RemoteLink(path)
    from engine.archive import ArchiveLink

    return ArchiveLink(path)
