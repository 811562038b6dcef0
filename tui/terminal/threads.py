"""The threads of a program with a screen: whether the system allows them, and how they share Python's lock."""

from __future__ import annotations

import sys
import threading

NEEDED = 12  # Textual's two, the trainer, the clock, the server, the counting, what opens a run; and some to spare
TURN_SECONDS = 0.001  # a fifth of what Python waits


def can_start(count: int = NEEDED) -> bool:
    """Whether `count` more threads can run at the same time. They are started, and ended at once.

    Textual would fail in the middle without those that it needs.
    """
    end = threading.Event()
    started: list[threading.Thread] = []
    try:
        for _ in range(count):
            thread = threading.Thread(target=end.wait, daemon=True)
            thread.start()
            started.append(thread)
    except RuntimeError:
        return False
    finally:
        end.set()
        for thread in started:
            thread.join()
    return True


def take_short_turns() -> None:
    """Have threads that compute give up Python's lock soon after the screen's thread asks for it.

    From a key to the screen, that thread asks several times, and waits at each while others train or measure.
    """
    sys.setswitchinterval(TURN_SECONDS)
