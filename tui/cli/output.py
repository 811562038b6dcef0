"""What becomes of a command's output when nobody is there to read it."""

from __future__ import annotations

import os


def discard_output() -> None:
    """From now on output goes nowhere: its reader is gone, as `| head` is after some lines, or the terminal closed.

    What still waits to be written would otherwise be complained about when the process ends.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
