"""The viewers of a run: their commands wait here, and snapshots and events go out to them."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from engine.runs.record import RunInfo
from engine.session.local_link import SNAPSHOT_INTERVAL, LocalLink
from engine.session.loop import Loop
from engine.session.messages import LONGEST_PROMPT, Command, Event, SetView, Stop
from engine.session.snapshots import take_snapshot

RAREST = 3.0  # seconds between two snapshots of one viewer, however many there are


class Viewers:
    """The links of all viewers, and one queue of commands.

    Any thread may call `connect`, `put`, `wake` and `waiting`; the others are for the run's thread. `on_stop` is called
    when a `Stop` comes, in the thread that sends it.
    """

    def __init__(self, on_stop: Callable[[], None]) -> None:
        self._on_stop = on_stop
        self._clock = time.monotonic
        self._links: tuple[LocalLink, ...] = ()  # replaced, never changed, so that the run's thread needs no lock
        self._lock = threading.Lock()
        self._commands: deque[tuple[LocalLink | None, Command]] = deque()
        self._is_stop_sent = False  # then nothing else is begun before it is obeyed
        self._woken = threading.Event()

    @property
    def are_there(self) -> bool:
        """Whether there is any."""
        return bool(self._links)

    def connect(self, info: Callable[[], RunInfo]) -> LocalLink:
        """A new viewer's end; `info` gives the first message to it."""
        link = LocalLink(info, self._enqueue, self._drop)
        with self._lock:
            self._links = (*self._links, link)
        self.wake()
        return link

    def _enqueue(self, link: LocalLink, command: Command) -> None:
        self.put(command, link)
        self.wake()

    def _drop(self, link: LocalLink) -> None:
        with self._lock:
            self._links = tuple(other for other in self._links if other is not link)

    def put(self, command: Command, link: LocalLink | None = None) -> None:
        """Have a command obeyed, which may come from no viewer.

        A signal handler may call this, because it takes no lock: the interrupted thread might hold one.
        """
        self._commands.append((link, command))
        if isinstance(command, Stop):  # nothing may delay it: no answer, and no step that waits for a suspended worker
            self._is_stop_sent = True
            self._on_stop()

    def waiting(self) -> list[Command]:
        """The commands that wait to be obeyed, oldest first."""
        return [command for _, command in self._commands.copy()]

    @property
    def are_calling(self) -> bool:
        """Whether a command waits to be obeyed."""
        return bool(self._commands)

    def wait(self, seconds: float) -> None:
        """Wait until a viewer connects or sends a command, at most for `seconds`."""
        self._woken.wait(seconds)
        self._woken.clear()

    def wake(self) -> None:
        """End `wait`."""
        self._woken.set()

    def obey(self, loop: Loop) -> None:
        """Obey the commands that wait, in order, but not those that arrive meanwhile: a flood must not delay a step.

        To obey one takes microseconds. What takes longer is done once for all of them, by `Loop.settle` and `serve`.
        """
        changed = False
        for _ in range(len(self._commands)):
            if loop.is_stopped:
                break
            link, command = self._commands.popleft()
            if link is not None:
                link.obeyed += 1
                link.urgent = True
            if isinstance(command, SetView):
                if link is not None:
                    if command.view.prompt not in ("", link.view.prompt):
                        loop.note_prompts(typed=command.view.prompt[-LONGEST_PROMPT:])
                    link.view = command.view
            else:
                loop.apply(command)
                changed = True
        if changed:
            self.hurry()
        loop.settle()

    def hurry(self) -> None:
        """Give every viewer its next snapshot at once."""
        for link in self._links:
            link.urgent = True

    def serve(self, loop: Loop, *, sparingly: bool = False) -> None:
        """Give a snapshot to each viewer that wants one, first to the one that has waited longest.

        All viewers together get as many snapshots as one would, up to one each in `RAREST` seconds, besides those that
        answer their commands: to make one takes milliseconds, and to draw it many more.
        `sparingly` stops where the allowance is used up, and the others wait: costly questions delay their viewers,
        not the training.
        """
        now = self._clock()
        interval = min(SNAPSHOT_INTERVAL * sum(link.is_taken for link in self._links), RAREST)
        for link in sorted(self._links, key=lambda link: link.built):
            if self._is_stop_sent or (sparingly and not loop.allowance.is_left):
                break
            if link.wants(now, interval):
                with loop.allowance.spend():
                    link.offer(take_snapshot(loop, link.view, urgent=link.urgent, obeyed=link.obeyed), now)

    def queue(self, event: Event) -> None:
        """Send an event to every viewer."""
        for link in self._links:
            link.queue(event)

    def rouse(self) -> None:
        """Have those who serve viewers elsewhere look at once whether the run is over."""
        for link in self._links:
            link.on_news()

    def leave(self) -> None:
        """Serve no viewer any more."""
        self._links = ()

    @np.errstate(all="ignore")
    def say_last(self, loop: Loop) -> None:
        """Send a last snapshot to the viewers that have not left: one of the others may have stopped the run."""
        for link in self._links:
            with contextlib.suppress(Exception):  # after a failure the instruments may fail, too
                link.offer(take_snapshot(loop, link.view, urgent=False, obeyed=link.obeyed), self._clock())
