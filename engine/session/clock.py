"""The time during which this process ran: ctrl+z and SIGSTOP stop the clock, too."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from engine.session.threads import begin_thread

TICK = 0.25  # seconds between two looks at the time
GAP = 2.0  # seconds without a look: the process was suspended. A busy machine delays a look by less


class RunningClock:
    """Seconds from an arbitrary moment on, without those in which the process was suspended.

    The system does not say how long a process was suspended. So a thread looks at the time again and again while
    `ticking`: when its looks are far apart although the process used no processor in between, nothing ran. (A long
    computation may keep the thread from looking, but it uses the processor.) Any thread may ask for the time.
    """

    def __init__(
        self, now: Callable[[], float] = time.monotonic, used: Callable[[], float] = time.process_time
    ) -> None:
        self._now, self._used = now, used
        self._lock = threading.Lock()
        self._suspended = 0.0  # seconds, in all
        self._seen, self._used_then = now(), used()  # at the last look
        self._is_ticking = False

    def __call__(self) -> float:
        """The time."""
        now = self._now()
        if self._is_ticking and now - self._seen > GAP:  # the thread is late: did this process run at all?
            self._look()
        return now - self._suspended

    def _look(self) -> None:
        with self._lock:
            now, used = self._now(), self._used()
            gap = now - self._seen
            if gap > GAP and used - self._used_then < gap / 2:
                self._suspended += gap
            self._seen, self._used_then = now, used

    @contextlib.contextmanager
    def ticking(self) -> Iterator[None]:
        """Look at the time again and again during a `with` block. Without it all time counts."""
        self._seen, self._used_then = self._now(), self._used()
        ended = threading.Event()

        def tick() -> None:
            while not ended.wait(TICK):
                self._look()

        thread = begin_thread("clock", tick)  # if there can be none, all time counts
        self._is_ticking = thread is not None
        try:
            yield
        finally:
            ended.set()
            self._is_ticking = False
            if thread is not None:
                thread.join()
