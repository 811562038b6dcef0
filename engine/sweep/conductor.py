"""Conducts a sweep: gives its runs to an executor, and keeps `sweep.json` up to date until all have ended."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait

from engine.errors import UserError
from engine.runs.status import read_state
from engine.sweep.begin import OpenSweep
from engine.sweep.executor import Executor
from engine.sweep.halving import halve, target
from engine.sweep.one_run import Outcome
from engine.sweep.search import suggest
from engine.sweep.study import ENDED, Study, StudyRun, StudyState

POLL_SECONDS = 0.2  # between two looks at a wish to stop
LOOK_SECONDS = 1.0  # between two looks at how far the runs are
ATTEMPTS = 3  # to train a run whose process is killed

Watch = Callable[[Study, StudyRun | None], None]


class Conductor:
    """Trains all runs of an open sweep that have not ended: call `run`. `stop` may come from anywhere.

    `watch` is called with the study whenever a run has ended, and with that run; and about once a second with None.
    """

    def __init__(self, sweep: OpenSweep, executor: Executor, watch: Watch = lambda study, run: None) -> None:
        self._sweep, self._executor, self._watch = sweep, executor, watch
        self._futures: dict[Future[Outcome], str] = {}
        self._attempts: dict[str, int] = {}
        self._is_stop_asked = False
        self._looked_at = time.monotonic()
        self.warning = ""  # why `sweep.json` cannot be written; empty where it can

    @property
    def study(self) -> Study:
        """What is tried, and how far it is."""
        return self._sweep.study

    def stop(self) -> None:
        """Have the runs save and end; `run` then returns. A signal handler may call this."""
        self._is_stop_asked = True

    def run(self) -> Study:
        """Train until every run has ended, or `stop`; the study as it is then.

        Raises `UserError` if the executor is lost; what has come is then on disk.
        """
        is_stopping = False
        try:
            while True:
                if self._is_stop_asked and not is_stopping:
                    is_stopping = True
                    self._executor.stop()
                if not is_stopping:
                    self._submit_due()
                if not self._futures:
                    return self.study
                done, _ = wait(self._futures, POLL_SECONDS, FIRST_COMPLETED)
                if trouble := self._executor.trouble:
                    raise UserError(f"{self.study.path}: {trouble}; what has come is kept there: resume the sweep")
                for future in done:
                    self._end(self._futures.pop(future), future)
                self._look()
        finally:
            self._executor.close()
            for name in self._futures.values():  # after an error
                self._change(name, state="waiting", steps=0)
            self._futures.clear()
            self._write()

    def _submit_due(self) -> None:
        """Give the executor as many of the runs that are due as it has places for."""
        self._sweep.study = halve(self.study)
        free = self._executor.places - len(self._futures)
        while free > 0:
            due = next((run for run in self.study.runs if run.state == "waiting" and self._is_due(run)), None)
            if due is None and (due := suggest(self.study)) is not None:
                self._sweep.study = dataclasses.replace(self.study, runs=(*self.study.runs, due))
            if due is None:
                break
            config = self.study.config_of(due).replace(steps=target(self.study, due))
            self._change(due.name, state="training")
            try:
                future = self._executor.submit(self.study.directory(due), config)
            except (OSError, RuntimeError) as error:
                self._change(due.name, state="waiting")
                reason = getattr(error, "strerror", None) or error
                raise UserError(
                    f"{self.study.path}: no run can begin ({reason}); mend that, and resume the sweep"
                ) from None
            self._futures[future] = due.name
            free -= 1

    def _is_due(self, run: StudyRun) -> bool:
        return run.steps < target(self.study, run)

    def _end(self, name: str, future: Future[Outcome]) -> None:
        """Note how a run ended, or that its process was killed."""
        try:
            outcome = future.result()
        except self._executor.lost as error:
            self._attempts[name] = self._attempts.get(name, 0) + 1
            if self._attempts[name] < ATTEMPTS:
                self._change(name, state="waiting", steps=0)  # its directory says from where it goes on
                return
            outcome = Outcome("failed", f"its process was killed {ATTEMPTS} times ({error})")
        except Exception as error:  # of a worker elsewhere, or of the disk here
            outcome = Outcome("failed", f"{type(error).__name__}: {error}")
        state: StudyState = outcome.state
        reason = outcome.reason
        if state == "stopped":
            state, reason = ("waiting", "") if self._is_stop_asked else ("stopped", reason or "stopped by hand")
        elif state == "finished" and self.study.halved < self.study.halvings and not self._is_early(name, outcome):
            state = "waiting"  # for the halving
        steps = outcome.steps
        if state == "waiting" and outcome.state != "finished":  # it may have made its last step, but not its end
            steps = min(steps, target(self.study, self._run(name)) - 1)
        self._change(name, **{**dataclasses.asdict(outcome), "state": state, "reason": reason, "steps": steps})
        run = self._run(name)
        self._watch(self.study, run if state in ENDED else None)

    def _is_early(self, name: str, outcome: Outcome) -> bool:
        """Whether a run has finished before the step to which it was trained: its loss fell no more."""
        return outcome.steps < target(self.study, self._run(name))

    def _look(self) -> None:
        """Note how far the runs are that are trained now."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        for name in self._futures.values():
            self._sweep.study = self.study.with_run(name, steps=read_state(self.study.path / name).step)
        self._watch(self.study, None)

    def _run(self, name: str) -> StudyRun:
        return next(run for run in self.study.runs if run.name == name)

    def _change(self, name: str, **changes: object) -> None:
        self._sweep.study = self.study.with_run(name, **changes)
        self._write()

    def _write(self) -> None:
        """Write `sweep.json`; where that fails, training goes on, and the next change tries again."""
        try:
            self._sweep.write()
            self.warning = ""
        except OSError as error:
            self.warning = f"{self.study.path}: cannot be written ({error.strerror}); training goes on"
        except UserError as error:
            self.warning = str(error)
