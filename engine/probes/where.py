"""Where the loss is: a network's losses on held-out text by classes of characters, beside those of a counting model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.arrays import Array, Codes, Integers, frozen
from engine.probes.results import Where
from engine.text.classes import CLASSES, classes_of
from engine.text.counting import COUNTED, LONGEST, ngram_character_losses
from engine.text.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What the losses on N characters are held against: each one's class, and a counting model's loss on it."""

    classes: Integers  # (N,) indices into `engine.text.classes.CLASSES`
    counting: Array  # (N,) nats
    n: int  # the model counts n-grams: of n = 1, 2, … that with the lowest loss on the first `COUNTED` characters or so


def yardstick(train: Codes, text: Codes, vocabulary: Vocabulary, parts: Sequence[slice]) -> Yardstick:
    """The classes and the best counting model's losses on the characters of all `parts` of `text`, joined.

    `text` (M,) follows `train` (N,), in which words and n-grams are counted; of gaps in it see `ngram_losses`. There
    must be at least one part.
    """
    train_end, found, n = train[-COUNTED:], list[Array](), 0
    for batch in _batches(parts):
        by_length = ngram_character_losses(train_end, text, len(vocabulary), batch, n or LONGEST)
        numbered = enumerate((np.concatenate(each) for each in by_length), start=1)
        # `min` holds two arrays at a time; of a text of many megabytes nine would be too many.
        n, losses = max(numbered, key=lambda each: each[0]) if n else min(numbered, key=lambda each: each[1].mean())
        found.append(losses)
    return Yardstick(np.concatenate(classes_of(train, text, vocabulary, parts)), np.concatenate(found), n)


def _batches(parts: Sequence[slice]) -> list[list[slice]]:
    """The parts in groups of not much more than `COUNTED` characters, because counting takes memory for each."""
    batches: list[list[slice]] = []
    size = COUNTED
    for part in parts:
        if size >= COUNTED:
            batches.append([])
            size = 0
        batches[-1].append(part)
        size += part.stop - part.start
    return batches


def where(losses: Array, against: Yardstick, step: int) -> Where:
    """The network's `losses` (N,) on the characters that the yardstick is of, by class."""
    count = np.bincount(against.classes, minlength=len(CLASSES))
    total = np.bincount(against.classes, losses, len(CLASSES))
    with np.errstate(invalid="ignore"):  # 0/0 of a class without characters
        return Where(
            step=step,
            classes=CLASSES,
            characters=len(losses),
            share=frozen(count / count.sum()),
            loss_share=frozen(total / total.sum()),
            losses=frozen(total / count),
            counting=frozen(np.bincount(against.classes, against.counting, len(CLASSES)) / count),
            n=against.n,
        )
