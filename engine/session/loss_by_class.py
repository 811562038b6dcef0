"""Computes where the loss of a run is, in pieces: its held-out text is read with the weights of a step.

What that is held against, the classes of the characters and a counting model's losses, depends on the text alone. It is
counted once, by a thread of its own, when it is asked for the first time: that takes half a second for a million
characters, and neither the training nor another answer waits for it.
"""

from __future__ import annotations

import dataclasses
import threading
import traceback
import zlib
from collections.abc import Callable

import numpy as np

from engine.arrays import Array
from engine.network.model import Model
from engine.network.parameters import Parameters
from engine.probes.pieces import Pieces
from engine.probes.reading import Reading
from engine.probes.results import Where
from engine.probes.where import Yardstick, where, yardstick
from engine.runs.reader import RunReader
from engine.session.threads import begin_thread, give_way
from engine.text.corpus import Corpus
from engine.training.validation import ValidationText

# The weights of the last moment before a step, with the step of that moment; None if there is none.
WeightsBefore = Callable[[int], tuple[int, Parameters] | None]


def loss_by_class(corpus: Corpus, run: RunReader) -> LossByClass | None:
    """Where the loss is on the held-out text of `run`, which learns `corpus`; None if no text is held out."""
    if not len(corpus.valid):
        return None
    return LossByClass(corpus, run.weights_before)


class LossByClass:
    """Where the loss is on the held-out characters of `corpus` that a validation measures; there is at least one.

    `weights_before` gives the weights with which the classes' losses are compared.
    """

    def __init__(self, corpus: Corpus, weights_before: WeightsBefore) -> None:
        self._corpus = corpus
        self._weights_before = weights_before
        self._text: ValidationText | None = None
        self._yardstick: Yardstick | None = None
        self._thread: threading.Thread | None = None
        self._known: dict[tuple[int, int], Array] = {}  # the classes' losses at earlier moments, by step and weights

    def answer(self, model: Model, step: int) -> Pieces[Where | None]:
        """Where the loss of `model` is, which has made `step` steps; None if the counting has failed.

        Yields between two windows of the text, and True where nothing can be done before the counting has ended. The
        model may change in between: the answer is of the weights that it has at first.
        """
        model = Model(model.parameters.astype(model.parameters.flat.dtype))
        self._count()
        while self._yardstick is None:
            if self._thread is None or not self._thread.is_alive():
                return None
            yield True
        found = where((yield from self._losses(model)), self._yardstick, step)
        before = self._weights_before(step)
        if before is None:
            return found
        earlier, parameters = before
        # With a checksum, because a run that went back may come to other weights at the same step.
        key = (earlier, zlib.crc32(parameters.flat.data))
        if key not in self._known:
            losses = yield from self._losses(Model(parameters))
            self._known[key] = where(losses, self._yardstick, earlier).losses
        return dataclasses.replace(found, before=self._known[key], before_step=earlier)

    def _losses(self, model: Model) -> Pieces[Array]:
        """The losses on all characters that are measured, stretch after stretch."""
        self._text = self._text or ValidationText(self._corpus.before, self._corpus.after, self._corpus.measured())
        reading = Reading(model, self._text)
        while not reading.is_done:
            reading.read_on()
            yield
        return np.concatenate(reading.losses())

    def _count(self) -> None:
        """Begin to count, unless that has begun; without a thread for it, a later question tries again."""
        if self._thread is None:
            self._thread = begin_thread("classes", self._measure)

    def _measure(self) -> None:
        give_way()
        try:
            corpus = self._corpus
            self._yardstick = yardstick(corpus.counted, corpus.after, corpus.vocabulary, corpus.measured())
        except Exception:
            traceback.print_exc()
