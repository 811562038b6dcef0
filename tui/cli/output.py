"""What commands print besides their answer: a bar while a text is read, the last line, or nothing any more."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from engine.errors import UserError

PATIENCE = 1.0  # seconds without a word


def complain(sentence: str) -> None:
    """One line on standard error, whatever the names in it hold."""
    from tui.rendering.text import visible_text

    print(f"charrnn-tui: {visible_text(sentence)}", file=sys.stderr)


def require_terminal(otherwise: str = "add --headless to train without a screen, or --detach") -> None:
    """Raise `UserError` where there is no terminal; its sentence says how to go on `otherwise`."""
    if os.environ.get("TERM", "") in ("", "dumb") or not (sys.stdout.isatty() and sys.__stderr__.isatty()):  # type: ignore[union-attr]
        raise UserError(f"there is no terminal to draw on; {otherwise}")


def discard_output() -> None:
    """From now on output goes nowhere: its reader is gone, as `| head` is after some lines, or the terminal closed.

    What still waits to be written would otherwise be complained about when the process ends.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


@contextlib.contextmanager
def reading() -> Iterator[Callable[[float], None] | None]:
    """A function that is told the share that has been read; None where there is nobody to see it."""
    if not sys.stderr.isatty():
        yield None
        return
    started = time.monotonic()
    shown = False

    def show(share: float) -> None:
        nonlocal shown
        if time.monotonic() - started < PATIENCE:
            return
        shown = True
        filled = round(share * 40)
        print(
            f"\rreading the text {'█' * filled}{'░' * (40 - filled)} {share:4.0%}", end="", file=sys.stderr, flush=True
        )

    try:
        yield show
    finally:
        if shown:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)


def print_farewell(directory: Path) -> None:
    """One line, as the run's own directory has it."""
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
