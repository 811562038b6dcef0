"""A scripted run for tests of the screen: a `Link` with plausible arrays, the same ones every time.

`FakeLink()` stands still until `advance(reports)` is called; `FakeLink(live=True)` moves on by one report each
time its snapshot is taken. Everything sent to it stands in `sent`, and takes effect. Run this file to see the
dashboard on it: `python tests/tui/fake_run.py`.
"""

from __future__ import annotations

import math

import numpy as np

from engine.config import Config
from engine.messages import (
    Candidate,
    Cells,
    Clamp,
    Command,
    Connectivity,
    Event,
    Failed,
    Feature,
    GradientFlow,
    History,
    MomentRecorded,
    Notice,
    Pause,
    Resume,
    RollBack,
    Rung,
    RunInfo,
    Sample,
    SampleFinished,
    Save,
    Saved,
    SetLearningRate,
    SetSampling,
    SetView,
    Snapshot,
    State,
    StateChanged,
    StepOnce,
    Stop,
    Validated,
    View,
)

TEXT = (
    "The lamp was lit before the tide had turned, and old Marrow went down to the quay with his coat over his arm.\n"
    "“You will not find her there,” said the boy; “she went out with the ebb.”\n"
    "He looked at the water for a long while. Then he laughed, which nobody had heard him do since the winter, "
    "and sat down upon the wet stones to wait.\n\n"
    "In the morning there were two boats where one had been, and 37 gulls (he counted them) stood along the wall."
)
STEPS_PER_REPORT = 10
REPORTS_PER_EPOCH = 70
MAX_POINTS = 600


class FakeLink:
    """A run of `config` that has made `reports` reports."""

    def __init__(self, config: Config | None = None, *, reports: int = 120, live: bool = False) -> None:
        self.config = config or Config()
        self.sent: list[Command] = []
        self.closed = False
        self.view = View()
        self.sampling = SetSampling()
        self.state: State = "training"
        self.reason = ""
        self.warning = ""
        self.lr = self.config.lr
        self.clamped: dict[int, float] = {}
        self.reports = 0
        self.vocabulary = tuple(sorted(set(TEXT)))
        self.info = RunInfo(
            name="brisk-otter",
            directory="runs/brisk-otter",
            config=self.config.to_json(),
            vocabulary=self.vocabulary,
            text_name="saltmere",
            text_length=612_345,
            parameters=91_264,
            threads=2,
            ladder=(Rung(1, 2.91), Rung(2, 2.38), Rung(4, 1.83), Rung(6, 1.62)),
        )
        self._live = live
        self._fresh = True
        self._events: list[Event] = []
        noise = np.random.default_rng(7).standard_normal(200_000)
        self._noise = 0.06 * noise
        self.advance(reports)

    # --- Link ------------------------------------------------------------------------------

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

    def send(self, command: Command) -> None:
        self.sent.append(command)
        self._fresh = True
        match command:
            case Pause() if self.state == "training":
                self._turn("paused")
            case Resume() if self.state == "paused":
                self._turn("training")
            case StepOnce() if self.state == "paused":
                self.reports += 1
            case SetLearningRate(lr):
                self.lr = lr
            case SetSampling():
                self.sampling = command
            case SetView(view):
                self.view = view
            case Clamp(_, unit, None):
                self.clamped.pop(unit, None)
            case Clamp(_, unit, float(value)):
                self.clamped[unit] = value
            case RollBack(lr_factor) if self.state == "diverged":
                self.lr *= lr_factor
                self._turn("training")
            case Save():
                self._events.append(Saved(self.step, f"{self.info.directory}/model.safetensors", "asked"))
            case Stop() if self.state in ("training", "paused"):
                self._turn("stopped")

    def close(self) -> None:
        self.closed = True

    # --- the script ------------------------------------------------------------------------

    def advance(self, reports: int = 1) -> None:
        """Train for some reports, with the events that go with them."""
        if self.state != "training":
            return
        for _ in range(reports):
            self.reports += 1
            if self.reports % 10 == 0:
                self._events.append(Validated(self.step, self.val_loss(self.step), best=True))
            if self.reports % 20 == 0:
                self._events.append(SampleFinished(self.sample(complete=True)))
            if self.reports & (self.reports - 1) == 0:  # log-spaced
                self._events.append(MomentRecorded(self.gradients(self.step)))
        self._fresh = True

    def diverge(self) -> None:
        self._turn("diverged", "the loss is not a number; the weights of step 1,100 are kept")

    def fail(self) -> None:
        self._events.append(Failed(self.step, "ValueError: operands could not be broadcast", "runs/brisk-otter/log"))
        self._turn("failed", "ValueError: operands could not be broadcast")

    def finish(self) -> None:
        self._turn("finished", f"all {self.step:,} steps are done")

    def warn(self, text: str) -> None:
        """Show a warning that stays; an empty text takes it away."""
        self.warning = text
        self._fresh = True

    def notice(self, text: str) -> None:
        self._events.append(Notice(text))

    def _turn(self, state: State, reason: str = "") -> None:
        self.state, self.reason = state, reason
        self._fresh = True
        self._events.append(StateChanged(state, self.step, reason))

    # --- numbers ---------------------------------------------------------------------------

    @property
    def step(self) -> int:
        return self.reports * STEPS_PER_REPORT

    @staticmethod
    def smoothed(step: float) -> float:
        """A power law, as real curves nearly are."""
        return 1.2 + 3.0 * (1 + step / 40) ** -0.6

    def val_loss(self, step: float) -> float:
        return 1.03 * self.smoothed(step) + 0.02

    def snapshot(self) -> Snapshot:
        shown = self.view.visible
        at = self.step if self.view.moment is None else self.view.moment
        val_steps = self.step // 100
        return Snapshot(
            state=self.state,
            reason=self.reason,
            step=self.step,
            steps=self.config.steps,
            epoch=self.reports / REPORTS_PER_EPOCH,
            loss=self._loss(self.reports),
            smoothed=self.smoothed(self.step),
            val_loss=self.val_loss(100 * val_steps) if val_steps else None,
            best_val_loss=self.val_loss(100 * val_steps) if val_steps else None,
            lr=self.lr,
            grad_norm=0.4,
            chars_per_second=312_000 + 40_000 * float(self._noise[self.reports]),
            seconds=self.reports / 4,
            history=self.history(),
            warning=self.warning,
            sample=self.sample() if "samples" in shown else None,
            gradients=self.gradients(at) if "gradients" in shown else None,
            connectivity=self.connectivity(at) if "connectivity" in shown and self.view.prompt else None,
            cells=self.cells(at) if "cells" in shown else None,
            probe_share=0.02,
        )

    def _loss(self, report: int) -> float:
        return self.smoothed(report * STEPS_PER_REPORT) + float(self._noise[report])

    def history(self) -> History:
        stride = max(1, math.ceil(self.reports / MAX_POINTS))
        reports = np.arange(1, self.reports + 1, stride)
        steps = reports * STEPS_PER_REPORT
        smoothed = 1.2 + 3.0 * (1 + steps / 40) ** -0.6
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
            "val_loss": 1.03 * (1.2 + 3.0 * (1 + val_steps / 40) ** -0.6) + 0.02,
            "reach_step": val_steps,
            "reach": 12 * (1 - np.exp(-val_steps / 800)),
        }
        for array in arrays.values():
            array.flags.writeable = False
        return History(**arrays)

    # --- instruments -----------------------------------------------------------------------

    def sample(self, complete: bool = False) -> Sample:
        length = self.sampling.length if complete else 1 + self.reports * 12 % self.sampling.length
        text = (TEXT * (1 + length // len(TEXT)))[:length]
        probability = 0.05 + 0.94 * np.abs(np.sin(np.arange(length) * 0.7)) ** 0.5
        return Sample(
            step=self.step,
            val_loss=self.val_loss(self.step),
            temperature=self.sampling.temperature,
            text=text,
            probability=probability,
            complete=complete,
            word_share=0.87 if complete else None,
            prompt=self.sampling.prompt,
        )

    def gradients(self, step: int) -> GradientFlow:
        view, time, values = self.view, self.config.seq, self.config.batch * self.config.hidden
        positive = 10.0 ** np.arange(-14, 2.5, 0.5)
        edges = np.concatenate(([-np.inf], -positive[::-1], positive, [np.inf]))
        rng = np.random.default_rng(11)
        # Vanishes by a factor per step that training brings nearer to 1.
        decay = 0.62 if step < 100 else 0.93
        scale = 10**-3.0 * decay ** np.arange(time - 1, -1, -1)
        gradients = rng.standard_normal((time, values)) * scale[:, None]
        counts = np.stack([np.histogram(row, edges)[0] for row in gradients])
        triangle = None
        if view.gradient_view == "triangle":
            lag = np.arange(time)[:, None] - np.arange(time)
            triangle = np.where(lag >= 0, 0.06 * decay ** np.abs(lag), 0.0)
        cell = self.config.cell
        gates = {"rnn": ("h",), "gru": ("r", "z", "n"), "lstm": ("i", "f", "g", "o")}[cell]
        return GradientFlow(
            step=step,
            view=view.gradient_view,
            layer=view.gradient_layer,
            state=view.gradient_state,
            edges=edges,
            counts=counts,
            norms=np.linalg.norm(gradients, axis=1),
            triangle=triangle,
            sigma={gate: 1.8 + 0.1 * i for i, gate in enumerate(gates)},
            rho={gate: 1.1 - 0.1 * i for i, gate in enumerate(gates)},
        )

    def connectivity(self, step: int) -> Connectivity:
        view = self.view
        prompt = "".join(char for char in view.prompt if char in self.vocabulary)
        skipped = "".join(char for char in view.prompt if char not in self.vocabulary)
        size = len(prompt)
        lag = np.arange(size)[:, None] - np.arange(size)
        rng = np.random.default_rng(5)
        weight = 0.3 + rng.random(size)
        matrix = np.where(lag >= 0, weight * np.exp(-np.abs(lag) / 4), 0.0)
        guesses = [self._candidates(s) for s in range(size)]
        targets = [*prompt[1:], guesses[-1][0].char] if size else []
        kinds = ["actual"] * (size - 1) + ["probable"] if size else []
        focus = size - 1 if view.position < 0 else min(view.position, size - 1)
        if view.candidate and size:
            targets[focus], kinds[focus] = view.candidate, "picked"
        last = matrix[-1] if size else np.ones(1)
        occlusion = matrix[focus] * (0.8 + 0.4 * rng.random(size)) if view.occlusion and size else None
        return Connectivity(
            step=step,
            prompt=prompt,
            skipped=skipped,
            mode=view.mode,
            matrix=matrix**2 if view.mode == "squared" else matrix,
            targets=tuple(targets),
            target_kind=tuple(kinds),
            candidates=tuple(guesses),
            reach=float((last * lag[-1]).sum() / last.sum()) if size else 0.0,
            focus=focus,
            occlusion=occlusion,
            rank_correlation=None if occlusion is None else 0.91,
        )

    def _candidates(self, position: int) -> tuple[Candidate, ...]:
        letters = [char for char in self.vocabulary if char.isalpha()]
        return tuple(
            Candidate(letters[(7 * position + 3 * i) % len(letters)], p)
            for i, p in enumerate((0.61, 0.14, 0.08, 0.05, 0.03))
        )

    def cells(self, step: int) -> Cells:
        view, hidden = self.view, self.config.hidden
        text = "".join(char for char in view.prompt if char in self.vocabulary) or TEXT[:160]
        rng = np.random.default_rng(3)
        rate, phase = rng.uniform(0.02, 0.6, (hidden, 1)), rng.uniform(0, 6.3, (hidden, 1))
        values = np.tanh(1.5 * np.sin(rate * np.arange(len(text)) + phase))
        if view.cells_kind not in ("h", "c"):
            values = 0.5 + 0.5 * values
        for unit, value in self.clamped.items():
            values[unit] = value
        score = np.arange(hidden, dtype=float) if view.cells_sort == "index" else values.var(axis=1)
        order = np.argsort(score if view.cells_sort == "index" else -score, kind="stable")
        return Cells(
            step=step,
            text=text,
            layer=view.cells_layer,
            kind=view.cells_kind,
            values=values,
            order=order,
            score=score,
            best=(Feature("inside quotes", 17, 0.94), Feature("after a space", 40, -0.88)),
            saturation={"r": (0.12, 0.31), "z": (0.22, 0.18)} if self.config.cell == "gru" else {},
            clamped=tuple(sorted(self.clamped.items())),
            clamp_effect=0.031 if self.clamped else None,
        )


def main() -> None:
    """The dashboard on a run that never ends."""
    from tui.app import CharrnnApp

    CharrnnApp(FakeLink(live=True), lambda config: FakeLink(config, reports=0, live=True)).run()


if __name__ == "__main__":
    main()
