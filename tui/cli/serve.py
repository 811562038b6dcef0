"""`charrnn-tui serve`: opens the dashboard in a browser."""

from __future__ import annotations

import asyncio
import contextlib
from argparse import Namespace
from pathlib import Path

from engine.errors import UserError
from engine.runs.listing import find_run
from engine.runs.lock import holder
from engine.sweep.begin import sweep_named
from tui.app.foreground import first_remark, program, spawn
from tui.cli.attach import latest
from tui.cli.options import open_session
from tui.cli.output import print_farewell, remark, say

# The options that do not say what is trained.
OF_THE_SERVER = ("host", "port", "token", "fps", "theme", "text", "weights", "background", "as_it_was")


def run(options: Namespace) -> int:
    """Serve the named run, the latest one, or a new one, until a signal comes. Returns the exit code."""
    try:
        from tui.app.website import Website, is_loopback, new_token
    except ImportError as error:
        raise UserError(
            f"serve needs textual-serve, which is not installed ({error.name}); pip install 'charrnn-tui[web]'"
        ) from None
    token = new_token() if options.token or not is_loopback(options.host) else ""
    directory = _run_to_show(options)
    theme = [f"--theme={options.theme.removeprefix('charrnn-')}"] if options.theme else []
    command = program("attach", f"--fps={options.fps}", *theme, "--", str(directory.resolve()))
    website = Website(command, options.host, options.port, token, is_live=lambda: holder(directory) is not None)
    asyncio.run(website.run(lambda address: say(f"{directory.name}: {address}")))
    print_farewell(directory)
    return 0


def _run_to_show(options: Namespace) -> Path:
    """The run that is named, or the latest one; or a new one, begun in the background, if settings or texts are."""
    settings = {name: value for name, value in vars(options).items() if name not in OF_THE_SERVER}
    if not any(settings.values()) and len(options.text) < 2:
        if not options.text:
            return latest()
        (name,) = options.text
        if sweep_named(name) is not None:
            raise UserError(f"{name}: is a sweep; name one of the runs in it")
        with contextlib.suppress(UserError):
            return find_run(name)
    session = open_session(options)
    if first := first_remark(session):
        remark(first)
    directory = session.directory
    session.close()
    try:
        spawn(directory)
    except UserError as error:
        raise UserError(f"{error}; the run is saved in {directory}") from None
    return directory
