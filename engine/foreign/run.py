"""Makes a run of a foreign network: one that has ended at step 0, on which every instrument works."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.foreign.names import match
from engine.foreign.network import parameters_of, settings_of_network
from engine.foreign.text import own_text, text_within
from engine.foreign.vocabulary import ForeignVocabulary
from engine.network.model import Model
from engine.runs.origin import Origin
from engine.session.session import Session
from engine.session.start import new_session
from engine.training.training import Step

WINDOW = 50  # time steps of the probes' windows, where the text has as many


def import_run(
    tensors: Mapping[str, Array],
    vocabulary: ForeignVocabulary,
    cell: str,
    *,
    name: str,
    texts: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
    directory: Path | None = None,
    say: Callable[[str], None] = lambda sentence: None,
    progress: Callable[[float], None] | None = None,
) -> Path:
    """The directory of a new run that has ended at step 0 with the weights in `tensors`, by their own names.

    `name` says where they come from, and `names` which tensor is which, see `engine.foreign.names.match`. The run's
    text is `texts`, or what the network writes itself. Raises `UserError` if no run can be made; then none is left.
    """
    matched = match({theirs: array.shape for theirs, array in tensors.items()}, cell, len(vocabulary), names)
    config = settings_of_network(matched)
    parameters = parameters_of(tensors, matched, vocabulary)
    if texts:
        corpus = text_within(vocabulary.ours, texts, config.validation, say, progress)
    else:
        corpus = own_text(Model(parameters), vocabulary.ours, config.validation)
    # Nothing is trained: to measure how many cores would be best takes longer than all the rest.
    config = config.replace(seq=min(WINDOW, len(corpus.train) - 1), threads=1, workers=1)
    session = new_session(config, directory, origin=Origin(name, config, vocabulary.ours, parameters), corpus=corpus)
    try:
        _measure(session)
    finally:
        session.close()
    return session.directory


@np.errstate(all="ignore")
def _measure(session: Session) -> None:
    """Keep the weights as a moment, and record what can be measured of them without a step."""
    loop = session.loop
    trainer, recorder = loop.trainer, loop.recorder
    recorder.add_moment(trainer, session.gradient_flow())
    start = Step(0, 0.0, trainer.training_loss(), math.nan, trainer.lr)
    row: dict[str, Any] = {"step": 0, "epoch": 0.0, "loss": start.loss, "lr": start.lr, "time": 0.0}
    if losses := trainer.validate():
        row |= loop.note_validation(start, losses)
    recorder.report(row)
    loop.baselines.start()
    loop.baselines.wait()
    loop.save("end")
