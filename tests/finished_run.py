"""A run that has come to its end, its text beside it, for what is done with runs afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.config import Config
from engine.network.model import Model
from engine.probes.gradient_flow import gradient_flow
from engine.probes.held_out import HeldOut
from engine.probes.results import GradientFlow
from engine.runs.kept_text import load_text
from engine.runs.reader import RunReader
from engine.session.start import new_session

TEXT = "the quick brown fox (jumps) over the lazy dog\n"


def finish_run(directory: Path, **changes: Any) -> Path:
    """Train a small network on `fox.txt` in the parent of `directory`; `directory`."""
    text = directory.parent / "fox.txt"
    text.write_text(TEXT * 60)
    small = Config(text=(str(text),), hidden=8, embedding=4, batch=2, seq=10, threads=1, steps=30)
    new_session(small.replace(**changes), directory).run()
    return directory


def flow_of(run: RunReader, step: int) -> GradientFlow:
    """The gradient flow of the weights that a run has kept of `step`."""
    corpus, seq = load_text(run.path, run.record), run.config.seq
    probe = HeldOut(corpus.held_out(seq), corpus.vocabulary, seq).probe
    return gradient_flow(Model(run.weights(step)), probe[:-1], probe[1:], step=step)
