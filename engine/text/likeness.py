"""Whether the held-out text is like the rest: many a book ends with a licence, whose characters no novel has.

How far one text is from another is the Kullback–Leibler divergence of how often their characters occur, in nats per
character: D(p‖q) = Σ p log(p/q), p of the one, q of the other with ½ added to each count. Of any stretch of a text it
is above zero. So the held-out text is compared with stretches of the training text that are as long, each against the
rest of that.
"""

from __future__ import annotations

import numpy as np

from engine.arrays import Codes, Integers
from engine.text.corpus import Corpus

MOST = 40  # stretches of the training text
PIECE = 1 << 20  # characters
TIMES, LEAST = 2.0, 0.02  # as far as the farthest of them, and nats per character, from where on it is unlike


def unlikeness(corpus: Corpus) -> float:
    """How many times as far from the training text the held-out text is as the farthest stretch of the training text.

    0 where that says nothing: no text is held out, it is longer than half of the training text, or it is so near, below
    `LEAST` nats per character, that the question is idle.
    """
    size, train, kinds = len(corpus.valid), corpus.train, len(corpus.vocabulary)
    if not size or len(train) < 2 * size:
        return 0.0
    own = divergence(_counts(corpus.valid, kinds), everything := _counts(train, kinds))
    if own < LEAST:
        return 0.0
    number = min(len(train) // size, MOST)
    starts = np.arange(number) * (len(train) - size) // (number - 1)
    stretches = (_counts(train[start : start + size], kinds) for start in starts.tolist())
    return own / max(divergence(stretch, everything - stretch) for stretch in stretches)


def warning(unlike: float, blocks: int, place: str = "") -> str:
    """A sentence that warns of a held-out text which is `unlike` the rest; empty if it is not.

    With the `place` where that text lies the sentence is short; without, it says how unlike the text is.
    """
    if unlike < TIMES:
        return ""
    helps = "" if blocks > 1 else "; a validation of 0.1:spread takes it from all over the text"
    if place:
        return f"{place}, but are unlike the rest: their loss says little about it{helps.replace(' it ', ' them ')}"
    return (
        "the held-out text is unlike the rest: how often each character occurs there differs from the training text "
        f"{unlike:.1f} times as much as in any stretch of that; its loss says little about the rest{helps}"
    )


def _counts(codes: Codes, kinds: int) -> Integers:
    """How often each of `kinds` codes occurs, (V,); a piece at a time, as counting makes large integers of all."""
    counts = np.zeros(kinds, np.int64)
    for start in range(0, len(codes), PIECE):
        counts += np.bincount(codes[start : start + PIECE], minlength=kinds)
    return counts


def divergence(counts: Integers, others: Integers) -> float:
    """D(p‖q) in nats, from how often each of V characters occurs in the one text, (V,), and in the other."""
    p, q = counts / counts.sum(), (others + 0.5) / (others + 0.5).sum()
    some = p > 0
    return float((p[some] * np.log(p[some] / q[some])).sum())
