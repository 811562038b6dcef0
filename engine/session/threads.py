"""Threads beside the one that trains: the system may allow no more of them, and they give way to it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from engine.errors import UserError

NICENESS = 10  # of a thread that works while others train


def begin_thread(name: str, work: Callable[[], object]) -> threading.Thread | None:
    """A thread that does `work`, and ends with the program; None if the system allows no other thread now."""
    with suppress(UserError):
        return require_thread(name, work)
    return None


def require_thread(name: str, work: Callable[[], object]) -> threading.Thread:
    """A thread that does `work`, and ends with the program. Raises `UserError` if the system allows no other one."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise UserError(f"the system allows no more threads ({error}); raise its limit") from None
    return thread


def give_way() -> None:
    """Have the present thread wait where others have work: those that train come first."""
    if sys.platform == "linux":  # where a thread has a priority of its own
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
