"""Opens a run's saved weights, for commands without a screen."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from engine.arrays import Array, Codes
from engine.errors import UserError
from engine.network.model import Model
from engine.network.numerics import softmax
from engine.runs.kept_text import load_text
from engine.runs.listing import find_run
from engine.runs.reader import RunReader
from engine.runs.record import require_vocabulary
from engine.text.corpus import Corpus
from engine.text.vocabulary import Vocabulary
from tui.cli.output import complain
from tui.rendering.text import visible_text

# Characters. An answer has a number for each pair of them: 32 MB for 2,000. The dashboard's limit is lower, because
# there the training waits for the answer.
LONGEST_PROMPT = 2000


@dataclass(frozen=True)
class Saved:
    """The network of a run with weights that it has saved, those after `step` steps."""

    run: RunReader
    model: Model
    vocabulary: Vocabulary
    step: int
    is_best: bool = False  # they are those with the lowest validation loss

    @property
    def title(self) -> str:
        """The network, its text, the run and the step, in a line."""
        config = self.run.config
        text, name = visible_text(self.run.record.text_name), visible_text(self.run.path.name)
        best = ", the best" if self.is_best else ""
        return f"{config.cell} {config.layers}×{config.hidden} · {text} · run {name} · step {self.step:,}{best}"

    def next_probabilities(self, codes: Codes) -> Array:
        """Probabilities (V,) of the character that follows `codes` (T,), T ≥ 1, read from a zero state."""
        work = self.model.workspace(len(codes), 1, train=False)
        probabilities: Array = softmax(self.model.forward(work, codes[:, None]))[:, -1]
        return probabilities


def open_saved(options: Namespace, dtype: DTypeLike = np.float64) -> Saved:
    """The weights that `options.weights` names of the run `options.run`. Raises `UserError` if there are none.

    Derivatives need float64, the default, and no training waits for them. Text is generated in float32, as in the run.
    """
    run, which = RunReader(find_run(options.run)), options.weights
    if run.caution:
        complain(run.caution)
    parameters, step = run.saved(which)
    return Saved(run, Model(parameters.astype(dtype)), Vocabulary(run.vocabulary), step, is_best=which == "best")


def text_of(run: RunReader, purpose: str) -> Corpus:
    """The text of a run. Raises `UserError`, which names the `purpose`, if the text is gone or has changed."""
    try:
        corpus = load_text(run.path, run.record)
    except UserError as error:
        raise UserError(f"{run.path}: {purpose} needs the run's text: {error}") from None
    require_vocabulary(run.path, run.record, corpus.vocabulary)
    return corpus


def encode(prompt: str, saved: Saved, argument: str = "PROMPT") -> Codes:
    """The codes of the characters that the network knows. Raises `UserError` if there are none, or too many."""
    if not prompt:
        raise UserError(f"{argument}: is empty; give some text, or leave {argument} out")
    codes, unknown = saved.vocabulary.encode(prompt)
    if not len(codes):
        raise UserError(f"{argument}: the run's text has none of its characters ({listed(unknown)}); give other text")
    if len(codes) > LONGEST_PROMPT:
        raise UserError(f"{argument}: has {len(codes):,} characters; at most {LONGEST_PROMPT:,} can be answered")
    warn_of_unknown(unknown, argument)
    return codes


def layer_of(options: Namespace, layers: int) -> int:
    """The layer that `--layer` names, from 0 here. Raises `UserError` if the network has fewer."""
    if not 1 <= options.layer <= layers:
        there = "the network has one layer, number 1" if layers == 1 else f"is not one of 1 to {layers}"
        raise UserError(f"--layer {options.layer}: {there}")
    return int(options.layer) - 1


def warn_of_unknown(characters: str, argument: str) -> None:
    """Warn on standard error of `characters` in an argument that the network does not know, if there are any."""
    if characters:
        complain(f"{argument}: the run's text has no {listed(characters)}; left out")


def listed(characters: str) -> str:
    """The characters in quotes, each once, separated by commas."""
    return ", ".join(map(repr, dict.fromkeys(characters)))
