"""A run in its thread: it takes commands from every viewer, and sends snapshots and events to every viewer.

commands ──▶ one queue ──▶ Session ──▶ Loop.apply, Loop.advance, take_snapshot
                              ├─snapshot─▶ a mailbox for each link
                              └─event────▶ a queue for each link
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import numpy as np

from engine.errors import UserError
from engine.probes.reach import Reach
from engine.probes.results import GradientFlow
from engine.runs.record import RunInfo, RunRecord, State
from engine.session.live_run import Report, RunParts
from engine.session.local_link import LocalLink
from engine.session.loop import Loop
from engine.session.messages import Command, Event, SetView, StateChanged, Stop
from engine.session.tensorboard import LiveEvents
from engine.session.viewers import Viewers
from engine.training.cores import set_threads

ENDS: tuple[State, ...] = ("finished", "diverged", "failed")
IDLE_SECONDS = 0.05  # between two looks at the mailboxes while no step is made


class Session:
    """Drives a `Loop`: call `run` for a run without a screen, or `start` it in a thread of its own."""

    def __init__(self, parts: RunParts) -> None:
        self.viewers = Viewers(on_stop=lambda: self.loop.trainer.wake())
        self._thread: threading.Thread | None = None
        self._suspension = threading.Semaphore(0)  # released by `suspend`, acquired by the thread or taken back
        self.tensorboard: Path | None = None  # the directory to which event files are written
        self.is_suspended = False  # ended by `suspend`
        self.is_over = False  # ended, and the run's directory is free
        self._on_report: Report = lambda row: None
        self.on_event: Callable[[Event], None] = lambda event: None  # called with each event, in the run's thread
        self.on_end: Callable[[Session], None] = lambda session: None  # called at each end, likewise; returns at once
        self.loop = Loop(parts, self._emit, lambda row: self._on_report(row))
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
        return self.loop.validations.loss

    @property
    def best_val_loss(self) -> float | None:
        """The lowest validation loss, in nats per character."""
        return self.loop.validations.best

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
        return self.viewers.are_there

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
        """Wait at most `timeout` seconds for the thread's end; return whether it came in time."""
        if self._thread is not None:
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()

    def connect(self) -> LocalLink:
        """A new viewer's end."""
        return self.viewers.connect(lambda: self.info)

    def send(self, command: Command) -> None:
        """Apply a command that comes from no viewer.

        A signal handler may call this, because it takes no lock: the interrupted thread might hold one.
        """
        self.viewers.put(command)

    def suspend(self, patience: float) -> None:
        """End the thread between two steps, save, and let another process write the run's directory.

        Nothing else is lost: `go_on` continues as if nothing had been, and `close` gives the run up. Raises `UserError`
        if the thread is still busy after `patience` seconds, or the run cannot be saved; then it goes on.
        """
        assert self._thread is not None
        self._suspension.release()
        self.viewers.wake()
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
        return any(isinstance(command, Stop) for command in self.viewers.waiting())

    def unobeyed(self) -> list[Command]:
        """The commands that wait to be obeyed, without views, oldest first. Only while no thread runs."""
        return [command for command in self.viewers.waiting() if not isinstance(command, SetView)]

    def close(self) -> None:
        """Give up a run that no thread runs, because it never began here or is suspended."""
        if self.is_suspended:  # another process may have the directory: nothing is written there
            self._emit(StateChanged("stopped", self.steps))
        else:
            self.loop.recorder.keep_text()
            self.loop.change("stopped")
        self.loop.close()

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
        """Do as `run` does, and yield before each step: somebody else's loop then makes one, or several."""
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
                            self.viewers.serve(loop)
                            self.viewers.wait(IDLE_SECONDS)
                except Exception as error:
                    if loop.state == "failed":
                        self.viewers.leave()  # answers fail too: viewers keep what they have
                    loop.fail(error)
        loop.close()
        self.viewers.say_last(loop)
        self.is_over = True
        self.viewers.rouse()
        self._tell_end()

    def _turn(self) -> bool:
        """Obey commands, then make a step if one is due; return whether it was.

        Steps of somebody else's loop come first; a divergence among them ends the run, whatever is asked for.
        """
        stepped = False
        while self.loop.trainer.has_step:  # the weights are those after the last one
            stepped = self.loop.advance()
        if not (stepped and self.loop.state == "diverged"):
            self.viewers.obey(self.loop)
            stepped = self.loop.advance() or stepped
        if stepped:
            self._is_end_told = False
            if self.loop.state == "diverged":
                self.viewers.hurry()  # viewers have last seen weights that were given up
            self.viewers.serve(self.loop, sparingly=True)
        return stepped

    def _tell_end(self) -> None:
        """Call `on_end` if the run has ended, once. After a roll-back, or more steps, it can end again."""
        if self.loop.state in (*ENDS, "stopped") and not self._is_end_told:
            self._is_end_told = True
            self.on_end(self)

    def _emit(self, event: Event) -> None:
        self.on_event(event)
        self.viewers.queue(event)
