"""The instruments of a scripted run: samples, gradients, connectivity and cells that look like real ones."""

from __future__ import annotations

import numpy as np

from engine.arrays import Array, Integers
from engine.config import Config
from engine.session.messages import (
    Candidate,
    Cells,
    Connectivity,
    Context,
    Contexts,
    Eigenvalues,
    Exponents,
    Feature,
    FixedPoint,
    GradientFlow,
    Portrait,
    Sample,
    SamplingSettings,
    Saturation,
    View,
    Where,
    cell_of,
)

TEXT = (
    "The lamp was lit before the tide had turned, and old Marrow went down to the quay with his coat over his arm.\n"
    "“You will not find her there,” said the boy; “she went out with the ebb.”\n"
    "He looked at the water for a long while. Then he laughed, which nobody had heard him do since the winter, "
    "and sat down upon the wet stones to wait.\n\n"
    "In the morning there were two boats where one had been, and 37 gulls (he counted them) stood along the wall."
)
STEPS_PER_REPORT = 10
CLASSES = (
    *("line end", "blank", "digit", "punctuation and signs"),
    *("first letter of a word", "letter of a rare word", "letter of a recent word", "other letter"),
)
WINDOWS = 16  # of the gradients


def falling(steps: Integers) -> Array:
    """The smoothed loss after each of `steps`: a power law, as real curves nearly are."""
    return np.asarray(1.2 + 3.0 * (1 + steps / 40) ** -0.6)


class FakeInstruments:
    """Answers to what a viewer wants to see of a run with these settings."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.view = View()
        self.sampling = SamplingSettings()
        self.clamped: dict[int, float] = {}
        self.reports = 0
        self.vocabulary = tuple(sorted(set(TEXT)))

    @property
    def step(self) -> int:
        return self.reports * STEPS_PER_REPORT

    @staticmethod
    def smoothed(step: int) -> float:
        return float(falling(np.array(step)))

    def val_loss(self, step: int) -> float:
        return 1.03 * self.smoothed(step) + 0.02

    def sample(self, moment: int | None = None, complete: bool = False) -> Sample:
        """The sample that is being written, or the whole one of a moment."""
        step, complete = self.step if moment is None else moment, complete or moment is not None
        length = self.sampling.length if complete else 1 + self.reports * 12 % self.sampling.length
        text = (TEXT * (1 + length // len(TEXT)))[:length]
        probability = 0.05 + 0.94 * np.abs(np.sin(np.arange(length) * 0.7)) ** 0.5
        return Sample(
            step=step,
            val_loss=self.val_loss(step),
            temperature=self.sampling.temperature,
            text=text,
            probability=probability,
            complete=complete,
            word_share=0.87 if complete else None,
            prompt=self.sampling.prompt,
        )

    def gradients(self, step: int) -> GradientFlow:
        view, time = self.view, self.config.seq
        positive = 10.0 ** np.arange(-14, 2.5, 0.5)
        edges = np.concatenate(([-np.inf], -positive[::-1], positive, [np.inf]))
        rng = np.random.default_rng(11)
        # Vanishes by a factor per step that training brings nearer to 1.
        decay = 0.62 if step < 100 else 0.93
        scale = 10**-3.0 * decay ** np.arange(time - 1, -1, -1)
        # The windows differ in how fast, as those of a text do.
        spread = scale[:, None] ** (1 + 0.1 * rng.standard_normal(WINDOWS))
        gradients = rng.standard_normal((time, WINDOWS, self.config.hidden)) * spread[:, :, None]
        window_norms = np.linalg.norm(gradients, axis=2)
        gradients = gradients.reshape(time, -1)
        counts = np.stack([np.histogram(row, edges)[0] for row in gradients])
        triangle = None
        if view.gradient_view == "triangle":
            lag = np.arange(time)[:, None] - np.arange(time)
            triangle = np.where(lag >= 0, 0.06 * decay ** np.abs(lag), 0.0)
        gates = cell_of(self.config.cell).gates
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
            window_norms=window_norms,
            characters=("the harbour, at " * time)[:time],
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
        view, hidden, sigmoids = self.view, self.config.hidden, cell_of(self.config.cell).sigmoids
        text = "".join(char for char in view.prompt if char in self.vocabulary) or TEXT[:160]
        rng = np.random.default_rng(3)
        rate, phase = rng.uniform(0.02, 0.6, (hidden, 1)), rng.uniform(0, 6.3, (hidden, 1))
        values = np.tanh(1.5 * np.sin(rate * np.arange(len(text)) + phase))
        if view.cells_kind in sigmoids:
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
            best=(Feature("inside quotes", 17, 0.94, 0.21), Feature("after a space", 40, -0.88, 0.09)),
            saturation={gate: (0.12 + 0.1 * i, 0.31 - 0.13 * i) for i, gate in enumerate(sigmoids)},
            clamped=tuple(sorted(self.clamped.items())),
            clamp_effect=0.031 if self.clamped else None,
        )

    def where(self, step: int) -> Where:
        """Fewer nats than counting on all classes but rare words; no digit is in the text."""
        share = np.array([0.02, 0.18, 0, 0.05, 0.2, 0.13, 0.18, 0.24])
        losses = np.array([2.26, 0.41, np.nan, 2.53, 2.66, 2.31, 0.63, 0.85])
        weighted = np.nan_to_num(share * losses)
        return Where(
            step=step,
            classes=CLASSES,
            characters=21_196,
            share=share,
            loss_share=weighted / weighted.sum(),
            losses=losses,
            counting=np.array([2.31, 0.52, np.nan, 2.6, 2.72, 1.78, 0.64, 0.86]),
            n=8,
            before=None if step < 500 else losses + 0.25 * np.arange(8) / 8,
            before_step=500,
        )

    def eigenvalues(self, step: int) -> Eigenvalues:
        """Those of each gate fill a disc, each gate's a larger one."""
        described, hidden = cell_of(self.config.cell), self.config.hidden
        rng = np.random.default_rng(9)
        gates: dict[str, Array] = {}
        for number, gate in enumerate(described.gates if described.recurrent else ()):
            radius, angle = (0.7 + 0.2 * number) * np.sqrt(rng.random(hidden)), rng.uniform(0, 2 * np.pi, hidden)
            gates[gate] = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        return Eigenvalues(step, self.view.spectrum_layer, gates)

    def exponents(self, step: int) -> Exponents:
        return Exponents(step, -0.05 * np.arange(1, 9), self.config.hidden, 400)

    def saturation(self, step: int) -> Saturation:
        rng, hidden = np.random.default_rng(10), self.config.hidden
        shares = {gate: rng.dirichlet([0.3, 0.3, 0.4], hidden) for gate in cell_of(self.config.cell).sigmoids}
        return Saturation(
            step,
            self.view.gates_layer,
            4800,
            shut={gate: share[:, 0] for gate, share in shares.items()},
            open={gate: share[:, 1] for gate, share in shares.items()},
        )

    def contexts(self, step: int) -> Contexts:
        """r falls with the unit's number; the unit shown is 3 unless another is asked for."""
        view, hidden = self.view, self.config.hidden
        order = np.roll(np.arange(hidden), -3)
        correlation = np.zeros(hidden)
        correlation[order] = np.linspace(0.9, -0.05, hidden)
        unit = view.cells_unit if view.cells_unit >= 0 else int(order[0])
        values = np.sin(0.3 * np.arange(61) + unit)

        def places(first: int, value: float) -> tuple[Context, ...]:
            texts = [TEXT[first + 7 * each : first + 7 * each + 61] for each in range(10)]
            at = np.concatenate([values[:30], [value], values[31:]])
            return tuple(Context(text, 30, at[: len(text)]) for text in texts)

        is_wrong = view.cells_feature == "/("
        return Contexts(
            step=step,
            layer=view.cells_layer,
            kind=view.cells_kind,
            unit=unit,
            highest=places(0, 0.98),
            lowest=places(80, -0.97),
            feature=view.cells_feature or "inside quotes",
            features=("inside quotes", "after a space"),
            correlation=np.zeros(hidden) if is_wrong else correlation,
            order=order,
            chance=0.11,
            inside=0 if is_wrong else 960,
            measured=4_800,
            error="missing ), unterminated subpattern at position 0" if is_wrong else "",
        )

    def portrait(self, step: int) -> Portrait:
        """Three clouds, one for each class, and a path from one to the next."""
        view = self.view
        rng = np.random.default_rng(4)
        labels = np.arange(300) % 3
        centres = np.array([[-2.0, 0.0], [0.0, 1.0], [2.0, -1.0]])
        prompt = "".join(char for char in view.prompt if char in self.vocabulary) or TEXT[:12]
        return Portrait(
            step=step,
            layer=self.config.layers - 1,
            points=(centres[labels] + 0.2 * rng.standard_normal((300, 2))).astype(np.float32),
            shares=(0.52, 0.21),
            feature=view.portrait_feature or "kind of character",
            features=("kind of character", "inside quotes"),
            classes=("blank", "vowel", "other small letter"),
            labels=labels.astype(np.uint8),
            prompt=prompt,
            path=centres[np.arange(len(prompt)) % 3].astype(np.float32),
            constant=view.portrait_constant or " ",
            constants=(" ", "e", "t"),
            fixed=(FixedPoint(1.0, 1.0, 1e-30, 0.93, "stable"), FixedPoint(-1.0, -1.0, 1e-29, 1.4, "saddle")),
            starts=14,
            tried=14,
            arrived=9,
        )
