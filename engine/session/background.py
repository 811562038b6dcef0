"""Work that takes too long for the training to wait for it, done in a thread of its own."""

from __future__ import annotations

import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.session.threads import begin_thread

KEPT_RESULTS = 4
MOST_JOBS = 4  # at the same time: one more, and the job asked for longest ago is given up
FORGOTTEN = 10.0  # seconds without a question, after which a job is given up
LONGEST_REST = 1.0  # seconds
HURRIED = 0.2  # of the time, if only a screen wants some too: its thread waits while this one holds Python's lock

Job = Callable[[], Iterator[Any]]  # yields after each little piece of work what is known so far, or None


@dataclass
class _Begun:
    pieces: Iterator[Any]
    version: Hashable
    asked: float  # when it was asked for last
    latest: Any = None  # piece that is not None


class Background:
    """Does jobs a piece at a time, the one asked for last first, and rests between two pieces.

    It works for `share` of the time, 0 … 1, for more while `is_hurried`, and all the time until there is something to
    show. A job's last piece is its result; the earlier ones are shown only where the question has no result yet. The
    thread has the priority of the others: with a lower one it would hold them up whenever it waits for a core with
    Python's lock.
    """

    def __init__(self, name: str, share: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.is_hurried = False  # no training needs the time
        self.news = 0  # how often there was something new to show
        self._name, self._share, self._clock = name, share, clock
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._woken = threading.Event()  # a job came
        self._jobs: dict[Hashable, _Begun] = {}
        self._results: OrderedDict[Hashable, tuple[Any, Hashable]] = OrderedDict()

    @property
    def is_busy(self) -> bool:
        """Whether something is still to be done."""
        return bool(self._jobs)

    def ask(self, question: Hashable, version: Hashable, job: Job) -> Any:
        """What is known in answer to `question`, None at first. If that is not of `version`, `job` is begun.

        A `version` is not None. `job` itself is called in the caller's thread, its iterator is used in the other one.
        """
        with self._lock:
            begun, (result, known) = self._jobs.get(question), self._results.get(question, (None, None))
            if begun is not None:
                begun.asked = self._clock()
            elif known != version:
                if len(self._jobs) >= MOST_JOBS:
                    del self._jobs[min(self._jobs, key=lambda each: self._jobs[each].asked)]
                self._jobs[question] = _Begun(job(), version, self._clock())
                self._woken.set()
                self._start()
            return result

    def _start(self) -> None:
        if self._thread is None:
            self._thread = begin_thread(self._name, self._work)
            if self._thread is None:
                self._jobs.clear()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    self._thread = None
                    return
                question, begun = max(self._jobs.items(), key=lambda each: each[1].asked)
                if self._clock() - begun.asked > FORGOTTEN:
                    del self._jobs[question]
                    continue
            self._woken.clear()
            started = self._clock()
            is_done = self._advance(begun)
            with self._lock:
                if is_done or self._results.get(question, (None, None))[1] is None:  # a result, or nothing better yet
                    self._results[question] = begun.latest, begun.version if is_done else None
                    self.news += 1
                    self._results.move_to_end(question)
                if is_done:  # last, so that whoever looks without the lock sees it busy until there is news
                    self._jobs.pop(question, None)
                is_known = self._results[question][0] is not None
                if len(self._results) > KEPT_RESULTS:
                    self._results.popitem(last=False)
            share = HURRIED if self.is_hurried else self._share
            if is_known and not is_done and share < 1:
                self._woken.wait(min((self._clock() - started) * (1 / share - 1), LONGEST_REST))

    def _advance(self, begun: _Begun) -> bool:
        """Do the next piece of a job; returns whether the job has ended."""
        try:
            with np.errstate(all="ignore"):
                piece = next(begun.pieces)
        except StopIteration:
            return True
        except MemoryError:  # the question asks for too much; the training goes on
            return True
        except Exception:
            traceback.print_exc()
            return True
        begun.latest = begun.latest if piece is None else piece
        return False
