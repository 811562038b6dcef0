"""All that commands print besides their results: errors, a bar while a text is read, a last line about the run."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import UserError

if TYPE_CHECKING:
    from tui.app.app import CharrnnApp
    from tui.app.foreground import Foreground

BAR_AFTER = 1.0  # seconds of reading before the bar appears
BAR = 40  # columns
ERASE_LINE = "\r\x1b[2K"


def complain(sentence: str) -> None:
    """Print `sentence` on standard error. Control characters, which a file's name may have, are made visible."""
    from tui.rendering.text import visible_text

    print(f"charrnn-tui: {visible_text(sentence)}", file=sys.stderr)


def require_terminal(otherwise: str) -> None:
    """Raise `UserError` if there is no terminal to draw on; `otherwise` tells the user what to do without one."""
    if os.environ.get("TERM", "") in ("", "dumb") or not (sys.stdout.isatty() and sys.__stderr__.isatty()):  # type: ignore[union-attr]
        raise UserError(f"there is no terminal to draw on; {otherwise}")


@contextlib.contextmanager
def reading() -> Iterator[Callable[[float], None] | None]:
    """A context that gives a function. It shows the share of the text that is read, 0 … 1, as a bar on standard error.

    If standard error is not a terminal, the context gives None.
    """
    if not sys.stderr.isatty():
        yield None
        return
    started = time.monotonic()
    shown = False

    def show(share: float) -> None:
        nonlocal shown
        if time.monotonic() - started < BAR_AFTER:
            return
        shown = True
        filled = round(share * BAR)
        bar = "█" * filled + "░" * (BAR - filled)
        print(f"\rreading the text {bar} {share:4.0%}", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        if shown:
            print(ERASE_LINE, end="", file=sys.stderr, flush=True)


def show_until_left(app: CharrnnApp, foreground: Foreground) -> int:
    """Show the dashboard until the user leaves; then end the run in `foreground` and print the farewell.

    Returns the exit code.
    """
    try:
        code = app.run_until_left()
    finally:
        foreground.end()
    print_farewell(Path(app.viewer.link.info.directory))
    return code


def print_farewell(directory: Path) -> None:
    """Print, after the dashboard, what became of the run in `directory`, and how to come back to it."""
    from engine.runs.listing import ROOT
    from engine.runs.reader import RunReader
    from engine.session.messages import OVER

    try:
        run = RunReader(directory)
    except UserError:  # the run was deleted while the dashboard showed it
        return
    name = run.path.name if run.path.parent == ROOT.absolute() else str(run.path)
    step = run.status.get("step", 0)
    if run.pid is not None and run.state not in OVER:
        print(f"{name} goes on: charrnn-tui attach {name}")
    elif run.state == "finished":
        print(f"{name}: finished at step {step:,}")
    else:
        print(f"{name}: {run.state} at step {step:,}; to go on: charrnn-tui train --resume {name}")


def discard_output() -> None:
    """Discard all further output, because it has no reader any more: `| head` has ended, or the terminal is closed.

    Otherwise Python would complain at exit that it cannot write the rest.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
