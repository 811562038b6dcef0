"""Reads a held-out text with a network, and gives the loss of every character of it that is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.arrays import Array, Codes, Integers
from engine.network.model import Model
from engine.network.numerics import cross_entropy, softmax
from engine.text.stretches import stretches
from engine.training.validation import ValidationText

WARM_UP = 1000  # characters read before each stretch of a text that is measured whole, and not measured


class Reading:
    """A model's way through a held-out text, one window at a time, so that other work can be done in between.

    The model must not change before the reading `is_done`. If `likeliest` is k > 0, the k most probable characters at
    every measured position are kept too.
    """

    def __init__(self, model: Model, text: ValidationText, likeliest: int = 0) -> None:
        self.text = text
        self._model, self._likeliest = model, min(likeliest, model.architecture.vocabulary_size)
        self._work = model.workspace(text.seq, text.batch, train=False)
        self._work.reset()
        self._index = 0
        self._losses: list[list[Array]] = [[] for _ in range(text.batch)]
        self._guesses: list[list[Guesses]] = [[] for _ in range(text.batch)]

    @property
    def share(self) -> float:
        """How much of the text has been read, 0 … 1."""
        return self._index / self.text.windows

    @property
    def is_done(self) -> bool:
        """Whether the whole text has been read."""
        return self._index == self.text.windows

    def read_on(self) -> None:
        """Read the next window."""
        inputs, targets = self.text.window(self._index)
        measured = self.text.measured(self._index)
        logits = self._model.forward(self._work, inputs)
        if self._likeliest and measured.any():
            self._guess(logits, measured)
        losses = cross_entropy(logits, targets.ravel()).reshape(targets.shape)
        for stretch, own in enumerate(self._losses):
            own.append(losses[measured[:, stretch], stretch])
        self._work.carry()
        self._index += 1

    def _guess(self, logits: Array, measured: NDArray[np.bool_]) -> None:
        probability = softmax(logits.copy())
        best = np.argpartition(-probability, self._likeliest - 1, axis=0)[: self._likeliest]
        order = np.argsort(-np.take_along_axis(probability, best, 0), axis=0, kind="stable")
        best = np.take_along_axis(best, order, 0)
        chances = np.take_along_axis(probability, best, 0)
        shape = (self._likeliest, *measured.shape)
        best, chances = best.reshape(shape), chances.reshape(shape)
        for stretch, own in enumerate(self._guesses):
            inside = measured[:, stretch]
            own.append(Guesses(best[:, inside, stretch].T, chances[:, inside, stretch].T))

    def losses(self) -> list[Array]:
        """For each stretch the loss of each of its characters, (n,), in nats. Only of a reading that is done."""
        return [np.concatenate(each) for each in self._losses]

    def guesses(self) -> list[Guesses]:
        """For each stretch the most probable characters at each of its places."""
        return [guess for own in self._guesses for guess in own]


@dataclass(frozen=True, eq=False)
class Guesses:
    """The k most probable characters at N positions, most probable first: `codes` (N, k), `chances` (N, k), 0 … 1."""

    codes: Integers
    chances: Array


@dataclass(frozen=True, eq=False)
class Read:
    """A text that was read whole: for each stretch of it, in order, the losses of its characters, (n,) in nats."""

    losses: list[Array]
    guesses: list[Guesses]  # one after another of all M characters, in as many pieces as there were


def read_whole(
    model: Model, before: Codes, text: Codes, progress: Callable[[float], None] | None = None, *, likeliest: int = 0
) -> Read:
    """Read all characters of `text` (M,), M ≥ 1, which follows `before` (N,), N ≥ 1.

    The text is read as at most 32 stretches side by side, each after the 1,000 characters before it; what has fewer
    than these before it is read first, from a zero state. `progress` is called with the share that is done, 0 … 1.
    `likeliest` is that of `Reading`.
    """
    head = min(max(WARM_UP + 1 - len(before), 0), len(text))
    texts = [ValidationText(before, text[:head], [slice(0, head)], warm_up=WARM_UP)] if head else []
    if head < len(text):
        rest = text[head:]
        before = np.concatenate([np.asarray(before[-WARM_UP - 1 :]), np.asarray(text[:head])])
        texts.append(ValidationText(before, rest, stretches(len(rest), None), warm_up=WARM_UP))
    windows = sum(each.windows for each in texts)
    done, losses, guesses = 0, list[Array](), list[Guesses]()
    for each in texts:
        reading = Reading(model, each, likeliest)
        while not reading.is_done:
            reading.read_on()
            done += 1
            if progress:
                progress(done / windows)
        losses += reading.losses()
        guesses += reading.guesses()
    return Read(losses, guesses)
