"""Whether the system allows the threads that a screen needs: Textual would fail in the middle without them."""

from __future__ import annotations

import threading

NEEDED = 12  # Textual's two, the trainer, the clock, the server, the counting, what opens a run; and some to spare


def can_start(count: int = NEEDED) -> bool:
    """Whether so many threads more can run at the same time. They are started, and ended at once."""
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
