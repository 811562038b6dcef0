"""A run and the thread it lives in: commands in, snapshots and events out.

train() ──step──▶ Course ──▶ Session ──snapshot──▶ a mailbox for each link
                    ▲           │ ─────event─────▶ a queue for each link
                    └ between steps ┴─ commands ◀─ every link
"""

from __future__ import annotations

import math
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Collection

import numpy as np

from engine.runs.record import RunInfo, State
from engine.session.link import LocalLink
from engine.session.loop import Course
from engine.session.messages import (
    Clamp,
    Command,
    Event,
    Failed,
    Pause,
    Resume,
    RollBack,
    Save,
    SetLearningRate,
    SetSampling,
    SetView,
    Snapshot,
    StepOnce,
    Stop,
)

ENDS: tuple[State, ...] = ("finished", "diverged", "failed")
WATCHED_SECONDS = 2.0  # who took a snapshot so recently is watching the sample grow
IDLE_SECONDS = 0.05  # between two looks at the mailboxes while no step is done


class Session:
    """Drives a `Course`: call `run` for a headless run, or `start` it in a thread of its own."""

    def __init__(self, course: Course, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.course = course
        self._clock = clock
        self._grown_at = clock()
        self._single_steps = 0
        self._stop: Stop | None = None
        self._links: tuple[LocalLink, ...] = ()  # replaced, never changed, so that the loop needs no lock
        self._links_lock = threading.Lock()
        self._commands: deque[tuple[LocalLink | None, Command]] = deque()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        course.tell = self._tell
        course.is_watched = lambda: bool(self._links) and clock() - self._grown_at < WATCHED_SECONDS

    # --- from any thread -----------------------------------------------------------------------

    @property
    def info(self) -> RunInfo:
        """What viewers are told about the run."""
        return self.course.info

    def start(self) -> None:
        """Run in a thread of its own until a `Stop` arrives; also after the last step, for those who look."""
        self._thread = threading.Thread(target=self.run, kwargs={"linger": ENDS}, name="trainer", daemon=True)
        self._thread.start()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the thread's end; whether it came in time."""
        if self._thread is not None:
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()

    def connect(self) -> LocalLink:
        """A new viewer's end."""
        link = LocalLink(self.info, self._enqueue, self._drop)
        with self._links_lock:
            self._links = (*self._links, link)
        self._wake.set()
        return link

    def send(self, command: Command) -> None:
        """A command from nobody in particular, as a signal handler: takes no lock, which the loop might be holding."""
        self._commands.append((None, command))

    def _enqueue(self, link: LocalLink | None, command: Command) -> None:
        self._commands.append((link, command))
        self._wake.set()

    def _drop(self, link: LocalLink) -> None:
        with self._links_lock:
            self._links = tuple(other for other in self._links if other is not link)

    # --- the loop ------------------------------------------------------------------------------

    @np.errstate(all="ignore")  # what is not finite is looked for after every step, and told in a sentence
    def run(self, *, linger: Collection[State] = ()) -> State:
        """Train to the last step, a `Stop`, or trouble; in the states `linger` viewers are served until a `Stop`."""
        course = self.course
        course.change("training")
        while self._stop is None and course.state in ("training", "paused", *linger):
            try:
                if not self._turn():
                    self._idle()
            except Exception as error:
                self._fail(error)
        if self._stop is not None and course.state in ("training", "paused"):
            if self._stop.save:
                course.save("end")
            course.change("stopped")
        course.close()
        return course.state

    def _turn(self) -> bool:
        """Obey, then do a step if one is due; whether it was."""
        self._obey()
        is_paused = self.course.state == "paused"
        due = self.course.state == "training" or (is_paused and self._single_steps > 0)
        self._single_steps = max(0, self._single_steps - 1) if is_paused else 0
        if due:
            self.course.advance()
            if self.course.state == "diverged":
                self._hurry()  # nothing of what was seen is true any more
            self._serve()
        return due

    def _idle(self) -> None:
        self._serve()
        self._wake.wait(IDLE_SECONDS)
        self._wake.clear()

    def _fail(self, error: Exception) -> None:
        if self.course.state == "failed":
            self._links = ()  # answering raises too: leave the viewers what they have
        text = f"{type(error).__name__}: {error}"
        log = self.course.recorder.log(traceback.format_exc())
        self._tell(Failed(self.course.trainer.steps, text, log))
        self.course.change("failed", f"{text} (log: {log})")
        self.course.trainer.close()  # the weights may be those of half a step: nothing may be computed from there

    # --- commands ------------------------------------------------------------------------------

    def _hurry(self) -> None:
        for link in self._links:
            link.urgent = True

    def _obey(self) -> None:
        while self._commands:
            link, command = self._commands.popleft()
            self._apply(link, command)
            for other in self._links:
                other.urgent = other.urgent or other is link or not isinstance(command, SetView)

    def _apply(self, link: LocalLink | None, command: Command) -> None:
        course = self.course
        match command:
            case Pause() if course.state == "training":
                course.change("paused")
            case Resume() if course.state == "paused":
                course.change("training")
            case StepOnce() if course.state == "paused":
                self._single_steps += 1
            case SetLearningRate(lr) if math.isfinite(lr) and lr > 0:
                course.trainer.lr = lr
            case SetSampling(temperature, top_k, top_p, _, length) if (
                0 <= temperature < math.inf and top_k >= 0 and 0 < top_p <= 1 and length > 0
            ):
                course.answers.samples.change(command)
            case SetView(view) if link is not None:
                link.view = view
            case Clamp(value=value) if course.state != "failed" and (value is None or math.isfinite(value)):
                course.answers.clamp(command, course.trainer)
            case RollBack(lr_factor) if course.state == "diverged" and 0 < lr_factor <= 1:
                course.roll_back(lr_factor)
            case Save() if course.state != "failed":
                course.save("asked")
            case Stop():
                self._stop = self._stop or command  # who said first whether to save is obeyed

    # --- viewers -------------------------------------------------------------------------------

    def _tell(self, event: Event) -> None:
        for link in self._links:
            link.tell(event)

    def _serve(self) -> None:
        now = self._clock()
        for link in self._links:
            if link.wants(now):
                if self.course.state == "training" and "samples" in link.view.visible:
                    self._grow_sample(now)
                link.offer(self._snapshot(link), now)

    def _grow_sample(self, now: float) -> None:
        course = self.course
        finished = course.answers.samples.grow(now - self._grown_at, course.trainer.steps, course.val_loss)
        self._grown_at = now
        if finished is not None:
            course.finish_sample(finished)

    def _snapshot(self, link: LocalLink) -> Snapshot:
        course, view = self.course, link.view
        trainer, last = course.trainer, course.last
        gradients, connectivity, cells = course.answers.answer(view, trainer.steps, urgent=link.urgent)
        return Snapshot(
            state=course.state,
            reason=course.reason,
            step=trainer.steps,
            steps=trainer.config.steps,
            epoch=trainer.epoch,
            loss=last.loss if last else math.nan,
            smoothed=course.history.smoothed,
            val_loss=course.val_loss,
            best_val_loss=course.best_val_loss,
            lr=trainer.next_lr,
            base_lr=trainer.lr,
            grad_norm=last.grad_norm if last else math.nan,
            chars_per_second=course.speed.per_second,
            seconds=course.seconds,
            history=course.history.history(),
            warning=course.recorder.warning,
            sample=course.answers.samples.current() if "samples" in view.visible else None,
            gradients=gradients,
            connectivity=connectivity,
            cells=cells,
            probe_share=course.answers.share,
        )
