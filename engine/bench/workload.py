"""The workload of every contender: the same model, the same first weights, the same windows of text."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.arrays import Codes
from engine.errors import ConfigError
from engine.network.cells import cell_names
from engine.network.parameters import Architecture, Parameters, initialize
from engine.text.corpus import Corpus, load_corpus
from engine.text.stretches import stretches
from engine.training.batches import Batches
from engine.training.validation import ValidationText

VOCABULARY_SIZE = 65  # by default: that of tiny-shakespeare, on which character models are usually compared
EMBEDDING_SIZE = 64
SEQ = 50  # T, by default
LEARNING_RATE = 2e-3
CLIP_NORM = 5.0
WINDOWS = 20  # different windows of text; after the last one the first comes again
SEED = 1
TEMPERATURE = 0.8  # of sampling

SIZES = ("1x128x32", "1x256x50", "1x512x50", "2x128x50")


@dataclass(frozen=True, slots=True)
class Workload:
    """What is trained: L `layers` of H `hidden` units on windows of T `seq` steps of B `batch` sequences.

    They read the text `learnt`, a file or a known name, whose vocabulary has V characters; random ones if it is empty.
    """

    cell: str
    layers: int
    hidden: int
    batch: int
    seq: int = SEQ
    vocabulary: int = VOCABULARY_SIZE
    learnt: str = ""

    def architecture(self) -> Architecture:
        """The network: embedding, recurrent layers, head."""
        return Architecture(self.cell, self.vocabulary, self.hidden, self.layers, EMBEDDING_SIZE)

    def parameters(self) -> Parameters:
        """The initial weights, equal for every contender."""
        return initialize(self.architecture(), np.random.default_rng(SEED))

    def text(self) -> Codes:
        """The codes (B·T·N + 1,) of random characters, N = `WINDOWS`; which they are does not change the work."""
        characters = self.batch * self.seq * WINDOWS + 1
        return np.random.default_rng(SEED).integers(0, self.vocabulary, characters)

    def corpus(self) -> Corpus:
        """The text that is learnt, the last tenth of it held out. Raises `UserError` if it cannot be read."""
        return load_corpus([self.learnt], streams=False)

    def windows(self) -> list[tuple[Codes, Codes]]:
        """Inputs and targets of every window, both (T, B), of B streams that are read side by side."""
        batches = Batches(self.corpus().train if self.learnt else self.text(), self.batch, self.seq)
        return [batches.window(index) for index in range(batches.windows_per_epoch)]

    def __str__(self) -> str:
        characters = "" if self.vocabulary == VOCABULARY_SIZE else f", V {self.vocabulary:,}"
        return f"{self.cell} {self.layers}×{self.hidden}, batch {self.batch}, T {self.seq}{characters}"


def held_out(corpus: Corpus) -> ValidationText:
    """All of the text that is held out, in stretches side by side."""
    return ValidationText(corpus.train, corpus.valid, stretches(len(corpus.valid), None))


def workloads(
    cells: Sequence[str], sizes: Sequence[str], seq: int = SEQ, vocabulary: int = VOCABULARY_SIZE
) -> list[Workload]:
    """Every cell at every size; a size is written `LAYERSxHIDDENxBATCH`, with `xT` after it where T is not `seq`."""
    for cell in cells:
        if cell not in cell_names():
            raise ConfigError({"cells": f"{cell!r} is none of {', '.join(cell_names())}"})
    return [
        Workload(cell, **{"seq": seq, "vocabulary": vocabulary} | _numbers(size)) for size in sizes for cell in cells
    ]


def of_text(workloads: Sequence[Workload], text: str) -> list[Workload]:
    """These workloads, learning `text`. Raises `UserError` if it cannot be read."""
    size = len(load_corpus([text], streams=False).vocabulary)
    return [dataclasses.replace(workload, learnt=text, vocabulary=size) for workload in workloads]


def _numbers(size: str) -> dict[str, Any]:
    match = re.fullmatch(r"(\d+)[x×](\d+)[x×](\d+)(?:[x×](\d+))?", size)
    numbers = [int(group) for group in match.groups() if group] if match else []
    if not numbers or min(numbers) < 1:
        raise ConfigError(
            {"sizes": f"{size!r} is not written LAYERSxHIDDENxBATCH or LAYERSxHIDDENxBATCHxT, as 1x128x32"}
        )
    return dict(zip(("layers", "hidden", "batch", "seq"), numbers, strict=False))
