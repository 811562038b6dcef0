"""A bar for the reading of a large text, shown only where it takes long enough to wonder."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

PATIENCE = 1.0  # seconds without a word


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
