"""A scripted run for tests of the screen: a `Link` with plausible arrays, the same ones every time.

`FakeLink()` stands still until `advance(reports)` is called; `FakeLink(live=True)` moves on by one report each
time its snapshot is taken. Everything sent to it stands in `sent`, and takes effect. Run this file to see the
dashboard on it: `python -m tests.tui.fake_run`.
"""

from __future__ import annotations

import math
import sys

import numpy as np

from engine.config import Config
from engine.session.messages import (
    Answers,
    Clamp,
    Command,
    Event,
    Failed,
    Held,
    History,
    Ladder,
    MarkMoment,
    Notice,
    Pause,
    Resume,
    RollBack,
    Rung,
    RunInfo,
    SampleFinished,
    Save,
    Saved,
    ScaleLearningRate,
    SetSampling,
    SetView,
    ShiftSampling,
    Snapshot,
    State,
    StateChanged,
    StepOnce,
    Stop,
)
from engine.session.sample_stream import changed, shifted
from tests.tui.fake_instruments import STEPS_PER_REPORT, TEXT, FakeInstruments, falling

REPORTS_PER_EPOCH = 70
LADDER = Ladder((Rung(2, 2.91), Rung(3, 2.38), Rung(5, 1.83), Rung(7, 1.62)), 551_111)
MAX_POINTS = 600


class FakeLink(FakeInstruments):
    """A run of `config` that has made `reports` reports."""

    def __init__(self, config: Config | None = None, *, reports: int = 120, live: bool = False) -> None:
        super().__init__(config or Config())
        self.sent: list[Command] = []
        self.closed = False
        self.marked: set[int] = set()  # moments
        self.dropped: set[int] = set()  # moments that are kept no more
        self.state: State = "training"
        self.reason = ""
        self.warning = ""
        self.lr = self.config.lr  # the base rate
        self.factor = 1.0  # the schedule's
        self.regret: float | None = None
        self.regret_se: float | None = None
        self.info = RunInfo(
            name="brisk-otter",
            directory="runs/brisk-otter",
            config=self.config.to_json(),
            vocabulary=self.vocabulary,
            text_name="saltmere",
            text_length=612_345,
            parameters=91_264,
            threads=2,
            held_out=61_234,
            validated=51_200,
        )
        self._live = live
        self._fresh = True
        self._events: list[Event] = []
        noise = np.random.default_rng(7).standard_normal(200_000)
        self._noise = 0.06 * noise
        self.advance(reports)

    # --- Link ------------------------------------------------------------------------------

    @property
    def is_remote(self) -> bool:
        return self.info.detached

    def take(self) -> Snapshot | None:
        if self._live:
            self.advance()
        if not self._fresh:
            return None
        self._fresh = False
        return self.snapshot()

    def events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def send(self, command: Command) -> int:
        self.sent.append(command)
        self._fresh = True
        match command:
            case Pause() if self.state == "training":
                self._turn("paused")
            case Resume() if self.state == "paused":
                self._turn("training")
            case StepOnce() if self.state in ("training", "paused"):
                if self.state == "training":
                    self._turn("paused")
                self.reports += 1
            case ScaleLearningRate(factor):
                self.lr *= factor
            case SetSampling():
                self.sampling = changed(self.sampling, command)
            case ShiftSampling():
                self.sampling = shifted(self.sampling, command)
            case SetView(view):
                self.view = view
            case Clamp(_, unit, None):
                self.clamped.pop(unit, None)
            case Clamp(_, unit, float(value)):
                self.clamped[unit] = value
            case RollBack(lr_factor) if self.state == "diverged":
                self.lr *= lr_factor
                self._turn("training")
            case MarkMoment():
                self.marked.add(self.step)
            case Save():
                self._events.append(Saved(self.step, f"{self.info.directory}/model.safetensors", "asked"))
            case Stop() if self.state in ("training", "paused"):
                self._turn("stopped")
        return len(self.sent)

    def close(self) -> None:
        self.closed = True

    # --- the script ------------------------------------------------------------------------

    def advance(self, reports: int = 1) -> None:
        """Train for some reports, with the events that go with them."""
        if self.state != "training":
            return
        for _ in range(reports):
            self.reports += 1
            if self.reports % 20 == 0:
                self._events.append(SampleFinished(self.sample(complete=True)))
        self._fresh = True

    def diverge(self) -> None:
        self._turn("diverged", "the loss is not a number; the weights of step 1,100 are kept")

    def fail(self) -> None:
        self._events.append(Failed(self.step, "ValueError: operands could not be broadcast", "runs/brisk-otter/log"))
        self._turn("failed", "ValueError: operands could not be broadcast")

    def end(self, state: State, reason: str) -> None:
        """End in any state, and for any reason."""
        self._turn(state, reason)

    def finish(self) -> None:
        self._turn("finished", f"all {self.step:,} steps are done")

    def warn(self, text: str) -> None:
        """Show a warning that stays; an empty text takes it away."""
        self.warning = text
        self._fresh = True

    def notice(self, text: str) -> None:
        self.queue(Notice(text))

    def queue(self, event: Event) -> None:
        self._events.append(event)

    def _turn(self, state: State, reason: str = "") -> None:
        self.state, self.reason = state, reason
        self._fresh = True
        self._events.append(StateChanged(state, self.step, reason))

    # --- numbers ---------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        shown = self.view.visible
        moment = self.view.moment if self.view.moment in self.moments else None
        at = self.step if moment is None else moment
        val_steps = self.step // 100
        return Snapshot(
            state=self.state,
            reason=self.reason,
            step=self.step,
            steps=self.config.steps,
            epoch=self.reports / REPORTS_PER_EPOCH,
            loss=self._loss(self.reports),
            val_loss=self.val_loss(100 * val_steps) if val_steps else None,
            best_val_loss=self.val_loss(100 * val_steps) if val_steps else None,
            val_loss_se=0.012 if val_steps else None,
            grad_norm=0.52,
            clipped=0.12,
            regret=self.regret,
            regret_se=self.regret_se,
            ladder=LADDER,
            lr=self.lr * self.factor,
            chars_per_second=312_000 + 40_000 * float(self._noise[self.reports]),
            seconds=self.reports / 4,
            history=self.history(),
            warning=self.warning,
            sample=self.sample(moment) if "samples" in shown else None,
            gradients=self.gradients(at) if "gradients" in shown else None,
            connectivity=self.connectivity(at) if "connectivity" in shown and self.view.prompt else None,
            cells=self.cells(at) if "cells" in shown else None,
            contexts=self.contexts(at) if "contexts" in shown else None,
            portrait=self.portrait(at) if "portrait" in shown else None,
            eigenvalues=self.eigenvalues(at) if "spectrum" in shown else None,
            exponents=self.exponents(at) if "spectrum" in shown else None,
            saturation=self.saturation(at) if "gates" in shown else None,
            where=self.where(at) if "where" in shown else None,
            sampling=self.sampling,
            moments=self.moments,
            moment=moment,
            now=Answers(
                self.gradients(self.step) if "gradients" in shown else None,
                self.connectivity(self.step) if "connectivity" in shown and self.view.prompt else None,
                self.cells(self.step) if "cells" in shown else None,
            )
            if moment is not None and self.view.beside_now
            else None,
            held=tuple(Held(0, unit, value) for unit, value in sorted(self.clamped.items())),
            obeyed=len(self.sent),
            seconds_left=None if self.config.steps is None else (self.config.steps - self.step) / 40,
            cores=1.87,
            memory=312_000_000,
        )

    @property
    def moments(self) -> tuple[int, ...]:
        """Log-spaced steps, and the marked ones."""
        spaced = {STEPS_PER_REPORT << doubling for doubling in range(self.reports.bit_length())}
        return tuple(sorted((spaced | self.marked) - self.dropped))

    def _loss(self, report: int) -> float:
        return self.smoothed(report * STEPS_PER_REPORT) + float(self._noise[report])

    def history(self) -> History:
        stride = max(1, math.ceil(self.reports / MAX_POINTS))
        reports = np.arange(1, self.reports + 1, stride)
        steps = reports * STEPS_PER_REPORT
        smoothed = falling(steps)
        val_steps = np.arange(100, self.step + 1, 100 * stride)
        arrays = {
            "step": steps,
            "epoch": reports / REPORTS_PER_EPOCH,
            "seconds": reports / 4,
            "loss": smoothed + self._noise[reports],
            "smoothed": smoothed,
            "val_step": val_steps,
            "val_epoch": val_steps / STEPS_PER_REPORT / REPORTS_PER_EPOCH,
            "val_seconds": val_steps / STEPS_PER_REPORT / 4,
            "val_loss": 1.03 * falling(val_steps) + 0.02,
            "reach_step": val_steps,
            "reach": 12 * (1 - np.exp(-val_steps / 800)),
            "reach_se": 0.4 * np.ones(len(val_steps)),
            "lambda1_step": val_steps,
            "lambda1": -0.05 - 0.5 * np.exp(-val_steps / 300),
        }
        for array in arrays.values():
            array.flags.writeable = False
        return History(**arrays)


__all__ = ["TEXT", "FakeLink"]


def main() -> None:
    """The dashboard on a run that never ends."""
    from tui.app.app import CharrnnApp

    app = CharrnnApp(FakeLink(live=True), lambda config: FakeLink(config, reports=0, live=True))
    sys.exit(app.run_until_left())


if __name__ == "__main__":
    main()
