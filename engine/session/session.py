"""A run in its thread: it takes commands from every viewer, and sends snapshots and events to every viewer.

commands ──▶ one queue ──▶ Session ──▶ Loop.apply, Loop.advance, Loop.snapshot
                              ├─snapshot─▶ a mailbox for each link
                              └─event────▶ a queue for each link
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from engine.errors import UserError
from engine.probes.reach import Reach
from engine.probes.results import GradientFlow
from engine.runs.record import RunInfo, RunRecord, State
from engine.session.link import LocalLink
from engine.session.loop import Loop
from engine.session.messages import LONGEST_PROMPT, Command, Event, SetView, StateChanged, Stop
from engine.session.tensorboard import LiveEvents
from engine.training.cores import set_threads

ENDS: tuple[State, ...] = ("finished", "diverged", "failed")
IDLE_SECONDS = 0.05  # between two looks at the mailboxes while no step is made

Report = Callable[[dict[str, Any]], None]  # takes a line of metrics


class MakeLoop(Protocol):
    """Builds the loop of a session, which is where its events and reports go."""

    def __call__(self, *, emit: Callable[[Event], None], report: Report) -> Loop: ...


class Session:
    """Drives a `Loop`: call `run` for a run without a screen, or `start` it in a thread of its own."""

    def __init__(self, make_loop: MakeLoop) -> None:
        self._clock = time.monotonic
        self._links: tuple[LocalLink, ...] = ()  # replaced, never changed, so that the thread needs no lock
        self._links_lock = threading.Lock()
        self._commands: deque[tuple[LocalLink | None, Command]] = deque()
        self._is_stop_sent = False  # then nothing else is begun before it is obeyed
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._suspension = threading.Semaphore(0)  # released by `suspend`; whoever acquires it decides
        self.tensorboard: Path | None = None  # the directory to which event files are written
        self.is_suspended = False  # ended by `suspend`
        self.is_over = False  # ended, and the run's directory is free
        self._on_report: Report = lambda row: None
        self.on_event: Callable[[Event], None] = lambda event: None  # called with each event, in the run's thread
        self.on_end: Callable[[Session], None] = lambda session: None  # called at each end, likewise; returns at once
        self.loop = make_loop(emit=self._emit, report=lambda row: self._on_report(row))
        self._is_end_told = self.loop.state in ENDS  # a run that moved here had ended there

    # --- the run as others see it --------------------------------------------------------------

    @property
    def info(self) -> RunInfo:
        """The first message to every viewer."""
        return self.loop.info

    @property
    def directory(self) -> Path:
        """Where the run is kept; it may be renamed while the run goes on."""
        return self.loop.recorder.run.path

    @property
    def record(self) -> RunRecord:
        """The run's settings, vocabulary and text, as in `config.json`."""
        return self.loop.recorder.run.record

    @property
    def crashed(self) -> bool:
        """Whether the run's last process was killed before it could record an end."""
        return self.loop.recorder.run.crashed

    @property
    def state(self) -> State:
        """What the run is doing."""
        return self.loop.state

    @property
    def reason(self) -> str:
        """Why it does so; empty where that is plain."""
        return self.loop.reason

    @property
    def steps(self) -> int:
        """Training steps done."""
        return self.loop.trainer.steps

    @property
    def clock(self) -> Callable[[], float]:
        """The time in seconds; it stands still while this process is suspended."""
        return self.loop.running_clock

    @property
    def val_loss(self) -> float | None:
        """The last validation loss, in nats per character."""
        return self.loop.val_loss

    @property
    def best_val_loss(self) -> float | None:
        """The lowest validation loss, in nats per character."""
        return self.loop.best_val_loss

    @property
    def warning(self) -> str:
        """Why the run cannot be saved; empty where it can."""
        return self.loop.recorder.warning

    @property
    def contention(self) -> str:
        """That another program uses a core of this run, in a sentence; empty if none does."""
        return self.loop.trainer.slowdown

    @property
    def shortage(self) -> str:
        """Why fewer processes share the work than the settings ask for, in a sentence; empty if they do not."""
        trainer = self.loop.trainer
        if not trainer.refusal:
            return ""
        return f"the system allows no more processes ({trainer.refusal}); the run has {trainer.config.workers}"

    @property
    def remark(self) -> str:
        """What happened last to the run's directory: that it was renamed, or deleted and made again. Often empty."""
        return self.loop.recorder.remark

    @property
    def is_watched(self) -> bool:
        """Whether there is a viewer."""
        return bool(self._links)

    def gradient_flow(self) -> GradientFlow:
        """The gradient flow of the present weights. Only for the thread that runs the session."""
        return self.loop.instruments.gradient_flow(self.steps)

    def reach(self) -> Reach:
        """How far back predictions reach. Only for the thread that runs the session."""
        return self.loop.instruments.reach()

    def write_events(self, directory: Path) -> None:
        """Write event files of TensorBoard into `directory` too, before the run begins. Raises `UserError`."""
        self.loop.recorder.listeners.append(LiveEvents(directory))
        self.tensorboard = directory.absolute()

    # --- from any thread -----------------------------------------------------------------------

    def start(self) -> None:
        """Run in a thread of its own until a `Stop` arrives, also after the last step, so that viewers are served.

        Raises `UserError` if the system allows no other thread; then the run is stopped.
        """
        thread = threading.Thread(target=self.run, kwargs={"linger": ENDS}, name="trainer", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self.close()
            raise UserError(f"{self.directory}: {error}; raise the system's limit, and resume the run") from None
        self._thread = thread

    def join(self, timeout: float | None = None) -> bool:
        """Wait at most `timeout` seconds for the thread's end; whether it came in time."""
        if self._thread is not None:
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()

    def connect(self) -> LocalLink:
        """A new viewer's end."""
        link = LocalLink(lambda: self.info, self._enqueue, self._drop)
        with self._links_lock:
            self._links = (*self._links, link)
        self._wake.set()
        return link

    def send(self, command: Command) -> None:
        """Apply a command that comes from no viewer.

        A signal handler may call this, because it takes no lock: the interrupted thread might hold one.
        """
        self._commands.append((None, command))
        self._heed_stop(command)

    def suspend(self, patience: float) -> None:
        """End the thread between two steps, save, and let another process write the run's directory.

        Nothing else is lost: `go_on` continues as if nothing had been, and `close` gives the run up. Raises `UserError`
        if the thread is still busy after `patience` seconds, or the run cannot be saved; then it goes on.
        """
        assert self._thread is not None
        self._suspension.release()
        self._wake.set()
        if not self.join(patience) and self._suspension.acquire(blocking=False):
            raise UserError("the run is still busy with a step; try again in a moment")
        self.join()
        if not self.is_suspended:
            raise UserError("the run has ended")
        try:
            self.loop.release()
        except UserError:
            self.is_suspended = False
            self.start()
            raise

    def go_on(self) -> None:
        """Go on after `suspend`, in the state the run had.

        Raises `UserError` if another process has begun to write the run's directory.
        """
        self.loop.take_back()
        self.set_threads()
        self.is_suspended = False
        self.start()

    def set_threads(self) -> None:
        """Have the BLAS use this run's number of threads again, after another run was tried."""
        set_threads(self.record.config.threads)

    @property
    def is_asked_to_stop(self) -> bool:
        """Whether a `Stop` waits to be obeyed."""
        return any(isinstance(command, Stop) for _, command in self._commands.copy())

    def unobeyed(self) -> list[Command]:
        """The commands that wait to be obeyed, without views, oldest first. Only while no thread runs."""
        return [command for _, command in self._commands if not isinstance(command, SetView)]

    def close(self) -> None:
        """Give up a run that no thread runs, because it never began here or is suspended."""
        if self.is_suspended:  # another process may have the directory: nothing is written there
            self._emit(StateChanged("stopped", self.steps))
        else:
            self.loop.recorder.keep_text()
            self.loop.change("stopped")
        self.loop.close()

    def _enqueue(self, link: LocalLink, command: Command) -> None:
        self._commands.append((link, command))
        self._heed_stop(command)
        self._wake.set()

    def _heed_stop(self, command: Command) -> None:
        """Let nothing delay a `Stop`: no answer to a viewer, and no step that waits for a suspended worker."""
        if isinstance(command, Stop):
            self._is_stop_sent = True
            self.loop.trainer.wake()

    def _drop(self, link: LocalLink) -> None:
        with self._links_lock:
            self._links = tuple(other for other in self._links if other is not link)

    # --- the thread ----------------------------------------------------------------------------

    def run(self, *, linger: Collection[State] = (), on_report: Report | None = None) -> State:
        """Train until the last step, a `Stop`, or trouble. In the states `linger`, then serve viewers until a `Stop`.

        `on_report` is called with every line of metrics.
        """
        self._on_report = on_report or self._on_report
        for _ in self.turns(linger):
            pass
        return self.loop.state

    def turns(self, linger: Collection[State] = ()) -> Iterator[None]:
        """Do as `run` does, and yield before each step: somebody else's loop makes one then."""
        loop = self.loop
        loop.change("training" if loop.state == "starting" else loop.state, loop.reason)
        with loop.running_clock.ticking():
            while not loop.is_stopped and loop.state in ("training", "paused", *linger):
                if self._suspension.acquire(blocking=False):
                    self.is_suspended = True
                    return
                if loop.wants_step:
                    yield
                try:
                    with np.errstate(all="ignore"):  # the loop looks for numbers that are not finite after every step
                        if not self._turn() and not loop.is_stopped:
                            self._tell_end()
                            self._idle()
                except Exception as error:
                    if loop.state == "failed":
                        self._links = ()  # answers fail too: viewers keep what they have
                    loop.fail(error)
        loop.close()
        self._say_last()
        self.is_over = True
        self._tell_end()

    def _turn(self) -> bool:
        """Obey commands, then make a step if one is due; whether it was."""
        self._obey()
        stepped = self.loop.advance()
        if stepped:
            self._is_end_told = False
            if self.loop.state == "diverged":
                self._hurry()  # viewers have last seen weights that were given up
            self._serve(sparingly=True)
        return stepped

    def _tell_end(self) -> None:
        """Call `on_end` if the run has ended, once. After a roll-back, or more steps, it can end again."""
        if self.loop.state in (*ENDS, "stopped") and not self._is_end_told:
            self._is_end_told = True
            self.on_end(self)

    def _idle(self) -> None:
        self._serve()
        self._wake.wait(IDLE_SECONDS)
        self._wake.clear()

    def _obey(self) -> None:
        """Obey the commands that wait, in order, but not those that arrive meanwhile: a flood must not delay a step.

        To obey one takes microseconds. What takes longer is done once for all of them, by `Loop.settle` and `_serve`.
        """
        changed = False
        for _ in range(len(self._commands)):
            if self.loop.is_stopped:
                break
            link, command = self._commands.popleft()
            if link is not None:
                link.obeyed += 1
                link.urgent = True
            if isinstance(command, SetView):
                if link is not None:
                    if command.view.prompt not in ("", link.view.prompt):
                        self.loop.note_prompts(typed=command.view.prompt[-LONGEST_PROMPT:])
                    link.view = command.view
            else:
                self.loop.apply(command)
                changed = True
        if changed:
            self._hurry()
        self.loop.settle()

    def _hurry(self) -> None:
        for link in self._links:
            link.urgent = True

    @np.errstate(all="ignore")
    def _say_last(self) -> None:
        """Tell the viewers that have not left how the run ended: one of the others may have stopped it."""
        for link in self._links:
            with contextlib.suppress(Exception):  # after a failure the instruments may fail, too
                link.offer(self.loop.snapshot(link.view, urgent=False, obeyed=link.obeyed), self._clock())

    def _emit(self, event: Event) -> None:
        self.on_event(event)
        for link in self._links:
            link.queue(event)

    def _serve(self, *, sparingly: bool = False) -> None:
        """Give a snapshot to each viewer that wants one, first to the one that has waited longest.

        `sparingly` stops where the allowance is used up, and the others wait: costly questions delay their viewers,
        not the training.
        """
        now = self._clock()
        for link in sorted(self._links, key=lambda link: link.built):
            if self._is_stop_sent or (sparingly and not self.loop.allowance.is_left):
                break
            if link.wants(now):
                with self.loop.allowance.spend():
                    link.offer(self.loop.snapshot(link.view, urgent=link.urgent, obeyed=link.obeyed), now)
