"""What the instruments read of a text that the model does not learn, the same at every step of a run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from engine.arrays import Array, Codes, Integers
from engine.probes.features import FEATURES, bracket_depth
from engine.probes.reach import windows
from engine.text.vocabulary import Vocabulary

PROBE_BATCH = 16  # sequences
STREAMS, STREAM_LENGTH, WARM_UP = 32, 200, 50
REPLACEMENTS = 8
COUNTED, SHOWN = 100_000, 1000  # characters


@dataclass(frozen=True)
class Streams:
    """A text read side by side: `codes` (T, B), and of what follows the warm-up `features` (F, N), `depth` (N,).

    The first `warm_up` of the T steps only bring the state from zero into the text. N = (T − warm_up)·B.
    """

    codes: Codes
    features: Array
    depth: Integers
    warm_up: int


def streams(codes: Codes, vocabulary: Vocabulary) -> Streams:
    """The beginning of a text as at most 32 streams of 200 characters."""
    count = max(1, min(STREAMS, len(codes) // STREAM_LENGTH))
    length = min(STREAM_LENGTH, len(codes))
    warm_up = min(WARM_UP, length // 4)
    used = np.asarray(codes[: count * length], np.intp)
    text = vocabulary.decode(used)

    def counted(feature: Any) -> Any:
        return feature.reshape(count, length)[:, warm_up:].T.ravel()

    features = np.stack([counted(feature(text)) for feature in FEATURES.values()]).astype(np.float64)
    return Streams(used.reshape(count, length).T, features, counted(bracket_depth(text)), warm_up)


class HeldOut:
    """The codes (N,) of a held-out text; what is read of it is prepared when it is first wanted.

    `seq` is T, the steps of one window of training; N > T.
    """

    def __init__(self, codes: Codes, vocabulary: Vocabulary, seq: int) -> None:
        self._codes, self._vocabulary, self._seq = codes, vocabulary, seq

    @cached_property
    def probe(self) -> Codes:
        """The fixed batch whose gradient is watched, (T + 1, B): inputs, and targets one step later."""
        return windows(self._codes, self._seq + 1, PROBE_BATCH)

    @cached_property
    def streams(self) -> Streams:
        """What the statistics of units are made over."""
        return streams(self._codes, self._vocabulary)

    @cached_property
    def frequent(self) -> Codes:
        """The most frequent characters, at most 8, to put in the place of others."""
        counts = np.bincount(self._codes[:COUNTED])
        return np.argsort(-counts, kind="stable")[: min(REPLACEMENTS, np.count_nonzero(counts))]

    @cached_property
    def shown(self) -> str:
        """Some lines to show to whom has not typed anything."""
        text = self._vocabulary.decode(np.asarray(self._codes[:SHOWN]))
        return text[text.find("\n", 0, SHOWN // 2) + 1 :]
