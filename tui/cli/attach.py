"""`charrnn-tui attach`: opens the dashboard on a run in another process, or on one that has ended."""

from __future__ import annotations

import contextlib
import os
import shlex
from argparse import Namespace
from pathlib import Path

from engine.errors import UserError
from engine.remote.client import open_link
from engine.remote.ssh import Address, NoProgramError, parse_address
from engine.runs.listing import ROOT, UNREADABLE, find_run, list_runs
from engine.sweep.begin import sweep_named
from tui.app.foreground import Foreground
from tui.cli.output import print_far_farewell, remark, require_terminal, shell_word, show_until_left

RELAY = ("attach", "--relay", "--")  # what stands in front of the run where another host is asked for it


def run(options: Namespace) -> int:
    """Open the dashboard on the named run, or on the one that `latest` chooses. Returns the exit code."""
    if options.relay:
        return _relay(options.run)
    far = _far(options)
    require_terminal("`charrnn-tui runs --list` prints the states of the runs")
    from tui.app.app import CharrnnApp
    from tui.app.memory import place

    if far is not None:
        return _watch_far(far, options)
    if options.run and (sweep := sweep_named(options.run)) is not None:
        from tui.app.sweep_app import watch_sweep

        return watch_sweep(sweep).code
    current = Foreground()  # a run that has ended can go on in this process
    link = open_link(find_run(options.run) if options.run else latest())
    app = CharrnnApp(link, detach=current.hand_over, resume=current.take_up, fps=options.fps, notifies=options.notify)
    app.use_memory(place(), options.theme)
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


def _far(options: Namespace) -> Address | None:
    """The run on another host that `options.run` names; None if it names one here."""
    named = parse_address(options.run or "")
    if named is None or _is_here(options.run):
        if options.ssh or options.remote_command:
            raise UserError("--ssh, --remote-command: are for a run on another host; name it as HOST:RUN")
        return None
    try:
        ssh = tuple(shlex.split(options.ssh or "ssh"))
    except ValueError as error:
        raise UserError(f"--ssh: cannot be read as a command ({error}); close its quotes") from None
    if not ssh:
        raise UserError("--ssh: is empty; give a command, as 'ssh -p 2222'")
    return Address(*named, ssh=ssh, program=options.remote_command or "charrnn-tui", relay=RELAY)


def _is_here(name: str) -> bool:
    """Whether there is a run with this name, though it looks like an address."""
    with contextlib.suppress(UserError, ValueError):
        return find_run(name).exists()
    return False


def _watch_far(address: Address, options: Namespace) -> int:
    """Open the dashboard on a run on another host. Returns the exit code."""
    from engine.remote.far import FarLink
    from tui.app.app import CharrnnApp
    from tui.app.memory import place

    try:
        link = FarLink(address, say=remark)
    except NoProgramError as error:
        raise UserError(
            f"{error}; say where it is, as --remote-command .venv/bin/charrnn-tui, or install it there with pipx"
        ) from None
    app = CharrnnApp(link, fps=options.fps, notifies=options.notify)
    app.use_memory(place(), options.theme)
    code = app.run_until_left()
    again = [f"{address.host}:{address.run or link.directory}"]
    for name, value in (("--ssh", options.ssh), ("--remote-command", options.remote_command)):
        again += [name, value] if value else []
    print_far_farewell(app.viewer, " ".join(map(shell_word, again)))
    return code


def _relay(name: str | None) -> int:
    """Pass a run on, through standard input and output, to the viewer on another host that started this process."""
    from engine.remote.relay import relay

    text = os.path.expanduser(name or "")
    if text and sweep_named(text) is not None:
        raise UserError(f"{text}: is a sweep; name one of the runs in it")
    link = open_link(find_run(text) if text else latest())
    outgoing = os.dup(1)
    os.dup2(2, 1)  # whatever else is printed must not come between
    relay(link, 0, outgoing)
    return 0
