"""What a command says besides its answer: complaints, how far a text is read, the last line of a run; or nothing."""

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

READING_UNSEEN = 1.0  # seconds of reading before a bar shows it
BAR = 40  # columns
ERASE_LINE = "\r\x1b[2K"


def complain(sentence: str) -> None:
    """One line on standard error, whatever the names in it hold."""
    from tui.rendering.text import visible_text

    print(f"charrnn-tui: {visible_text(sentence)}", file=sys.stderr)


def require_terminal(otherwise: str) -> None:
    """Raise `UserError` where there is no terminal to draw on; `otherwise` says how to do without one."""
    if os.environ.get("TERM", "") in ("", "dumb") or not (sys.stdout.isatty() and sys.__stderr__.isatty()):  # type: ignore[union-attr]
        raise UserError(f"there is no terminal to draw on; {otherwise}")


@contextlib.contextmanager
def reading() -> Iterator[Callable[[float], None] | None]:
    """A function that is called with the share of the text that has been read, and shows it as a bar on a terminal.

    None where standard error is no terminal.
    """
    if not sys.stderr.isatty():
        yield None
        return
    started = time.monotonic()
    shown = False

    def show(share: float) -> None:
        nonlocal shown
        if time.monotonic() - started < READING_UNSEEN:
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
    """Run the dashboard, end the run that `foreground` has beneath it, and say goodbye; the exit code."""
    try:
        code = app.run_until_left()
    finally:
        foreground.end()
    print_farewell(Path(app.viewer.link.info.directory))
    return code


def print_farewell(directory: Path) -> None:
    """After the dashboard: what became of the run in `directory`, and how to come back to it."""
    from engine.runs.listing import ROOT
    from engine.runs.reader import RunReader
    from engine.session.messages import OVER

    try:
        run = RunReader(directory)
    except UserError:  # it has been deleted under the dashboard
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
    """Send all further output nowhere, as its reader is gone: `| head` has its lines, or the terminal is closed.

    Without it, Python would complain at the end of the process about what it could not write.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
