"""A run's saved weights, for the commands that ask them without a screen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.network.model import Model
from engine.runs import checkpoint
from engine.runs.listing import find_run
from engine.runs.reader import RunReader
from engine.runs.writer import MODEL
from engine.text.vocabulary import Vocabulary
from tui.rendering.text import visible_text


@dataclass(frozen=True)
class Saved:
    """The network of a run as it was last saved, after `step` steps; in float64, for there is no hurry."""

    run: RunReader
    model: Model
    vocabulary: Vocabulary
    step: int

    @property
    def title(self) -> str:
        """Which network this is."""
        config = self.run.config
        text, name = visible_text(self.run.record.text_name), visible_text(self.run.path.name)
        return f"{config.cell} {config.layers}×{config.hidden} · {text} · run {name} · step {self.step:,}"


def open_saved(name: str) -> Saved:
    """The latest weights of the run with this name or path; `UserError` where there are none."""
    run = RunReader(find_run(name))
    _, values = checkpoint.read(run.path / MODEL)
    return Saved(run, Model(run.weights().astype(np.float64)), Vocabulary(run.vocabulary), int(values["step"]))
