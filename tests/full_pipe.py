"""A pipe that takes nothing more."""

from __future__ import annotations

import os


def fill(end: int) -> int:
    """Write into a pipe until it is full, and leave it non-blocking; the number of bytes."""
    os.set_blocking(end, False)
    written = 0
    try:
        while True:
            written += os.write(end, b"." * 4096)
    except BlockingIOError:
        return written
