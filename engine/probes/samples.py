"""Measures a finished sample: the share of its words that are real, and whether it repeats itself."""

from __future__ import annotations

import dataclasses
import re
from functools import cached_property

from engine.probes.results import Sample
from engine.text.brackets import count_illegal
from engine.text.corpus import Corpus

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
READ = 4_000_000  # characters of the training text whose words count as known
STRETCH = 20  # characters; a stretch of this length hardly occurs twice in a sample by chance
SHORTEST = 100  # characters; a shorter sample is never said to repeat itself


class SampleJudge:
    """Judges samples of a network that learns `corpus`. It reads the corpus's words when it judges the first sample."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(words(self._corpus.vocabulary.decode(self._corpus.train[:READ])))

    def judge(self, sample: Sample) -> Sample:
        """`sample` with `word_share`, `repeats` and, for the brackets language, `illegal`."""
        return dataclasses.replace(
            sample,
            word_share=word_share(sample.text, self._words),
            repeats=repeats(sample.text),
            illegal=count_illegal(sample.text, sample.prompt) if self._corpus.is_brackets else None,
        )


def words(text: str) -> list[str]:
    """The words of `text` in lower case."""
    return WORD.findall(text.casefold())


def word_share(text: str, known: frozenset[str]) -> float | None:
    """Share, 0 … 1, of the words of `text` that are `known`; None if it has no words.

    A word at the very beginning or end is left out, since it may be cut off there.
    """
    text = text.casefold()
    found = [match.group() for match in WORD.finditer(text) if match.start() > 0 and match.end() < len(text)]
    return sum(word in known for word in found) / len(found) if found else None


def repeats(text: str) -> bool:
    """Whether `text` repeats itself: more than half of its stretches of 20 characters stood in it before."""
    if len(text) < SHORTEST:
        return False
    stretches = [text[start : start + STRETCH] for start in range(len(text) - STRETCH + 1)]
    return len(set(stretches)) < len(stretches) / 2
