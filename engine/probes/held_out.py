"""The parts of the held-out text that probes read, always the same, so that results of different steps compare."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.arrays import Array, Codes, Integers
from engine.probes.features import FEATURES, bracket_depth, shuffled
from engine.probes.reach import windows
from engine.probes.readout import split
from engine.text.vocabulary import Vocabulary

PROBE_BATCH = 16  # sequences in the batch of the gradient flow
STREAMS = 32  # sequences over which the statistics of units are made
STREAM_LENGTH, WARM_UP = 200, 50  # characters of a stream, and how many at its start are not measured
REPLACEMENTS = 8  # characters that occlusion puts in place of another
COUNTED, SHOWN = 100_000, 1000  # characters that `frequent` counts, and the most that `shown` has


@dataclass(frozen=True)
class Streams:
    """B parts of a text that are read side by side: `codes` (T, B).

    During the first `warm_up` steps the state moves away from zero, and nothing is measured. `features` (F, N) and the
    bracket `depth` (N,) belong to the N = (T − warm_up)·B characters of the other steps, time-major as in `codes`.
    A read-out of the depth is `fitted` (N,) on some and `measured` (N,) on others.
    """

    codes: Codes
    features: Array
    depth: Integers
    warm_up: int
    fitted: NDArray[np.bool_]
    measured: NDArray[np.bool_]

    @cached_property
    def shuffled(self) -> Array:
        """The features as `engine.probes.features.chance` needs them, (99, F, N)."""
        return shuffled(self.features, self.codes.shape[1])

    def after_warm_up(self, values: NDArray[Any]) -> NDArray[Any]:
        """Those of `values` (T·B,), one for each character of the text in its order, that belong to the N, as above."""
        return _after_warm_up(values, self.codes.shape[1], self.warm_up)

    def place(self, index: int) -> int:
        """Where in the text character number `index`, 0 … N − 1, stands."""
        steps, count = self.codes.shape
        return int(index % count * steps + self.warm_up + index // count)


def streams(codes: Codes, vocabulary: Vocabulary) -> Streams:
    """The beginning of the text `codes` (N,), as at most 32 streams of 200 characters; a shorter text is one stream."""
    count = max(1, min(STREAMS, len(codes) // STREAM_LENGTH))
    length = min(STREAM_LENGTH, len(codes))
    warm_up = min(WARM_UP, length // 4)
    used = np.asarray(codes[: count * length], np.intp)
    text = vocabulary.decode(used)
    features = [_after_warm_up(feature(text), count, warm_up) for feature in FEATURES.values()]
    depth = _after_warm_up(bracket_depth(text), count, warm_up)
    passages = used.reshape(count, length).T
    return Streams(passages, np.stack(features).astype(np.float64), depth, warm_up, *split(passages, warm_up))


def _after_warm_up(values: NDArray[Any], streams: int, warm_up: int) -> NDArray[Any]:
    """Those of `values` (T·B,), one stream after the other, that come after its warm-up; time-major, (N,)."""
    return values.reshape(streams, -1)[:, warm_up:].T.ravel()


class HeldOut:
    """The parts of a held-out text `codes` (N,). Each is prepared at its first use.

    `seq` is T, the time steps of a window in training; N must be greater.
    """

    def __init__(self, codes: Codes, vocabulary: Vocabulary, seq: int) -> None:
        self._codes, self._vocabulary, self._seq = codes, vocabulary, seq

    @cached_property
    def probe(self) -> Codes:
        """The fixed batch of the gradient flow, (T + 1, B): the first T rows are inputs, the last T rows targets."""
        return windows(self._codes, self._seq + 1, PROBE_BATCH)

    @cached_property
    def streams(self) -> Streams:
        """The streams over which the statistics of units are made."""
        return streams(self._codes, self._vocabulary)

    @cached_property
    def streams_text(self) -> str:
        """The text of all streams, one after the other as they stand in the held-out text."""
        return self._vocabulary.decode(self.streams.codes.T.ravel())

    @cached_property
    def by_frequency(self) -> Codes:
        """The characters of the text, most frequent first."""
        counts = np.bincount(self._codes[:COUNTED])
        return np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]

    @cached_property
    def frequent(self) -> Codes:
        """The most frequent characters, (8,) or fewer, most frequent first. Occlusion puts them in place of others."""
        return self.by_frequency[:REPLACEMENTS]

    @cached_property
    def shown(self) -> str:
        """Some lines of the text, for a pane in which no prompt has been typed."""
        text = self._vocabulary.decode(np.asarray(self._codes[:SHOWN]))
        return text[text.find("\n", 0, SHOWN // 2) + 1 :]
