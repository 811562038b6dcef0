"""What a run's validation loss is compared with: n-gram models, and an oracle where the best possible is known."""

from __future__ import annotations

import threading
import traceback

from engine.session.threads import begin_thread, give_way
from engine.text import brackets
from engine.text.corpus import Corpus
from engine.text.counting import Ladder, ngram_ladder
from engine.text.stretches import WARM_UP, StretchLosses, losses_by_stretch, with_context

PATIENCE = 20.0  # seconds that the end of a run waits for it, which takes 4 s at most if nothing else runs


class Baselines:
    """The losses of other models on the characters that a run validates on.

    `ladder` is that of an earlier start of the run, or None: then `start` counts n-grams in a thread, because that
    takes half a second for a million characters, and neither the first frame nor the training waits for it.
    """

    def __init__(self, corpus: Corpus, ladder: Ladder | None) -> None:
        self.ladder = ladder
        self.failure = ""  # the traceback, if counting has failed
        self._corpus = corpus
        self._parts = corpus.measured()
        self._oracle = self._oracle_losses() if corpus.is_brackets and self._parts else None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to count, unless that is done or has begun."""
        if self.ladder is None and self._parts and self._thread is None:
            self._thread = begin_thread("n-grams", self._count)

    def wait(self) -> None:
        """Wait until all is counted that `start` began to count, but at most `PATIENCE`."""
        if self._thread is not None:
            self._thread.join(PATIENCE)

    def regret(self, losses: StretchLosses) -> StretchLosses | None:
        """How far `losses` lie above those of the oracle on the same characters; None if there is no oracle."""
        return None if self._oracle is None else losses.above(self._oracle)

    def _oracle_losses(self) -> StretchLosses:
        corpus = self._corpus
        found = []
        for part in self._parts:  # an oracle needs the text before a part, to know the depth at which it begins
            text = corpus.vocabulary.decode(with_context(corpus.before, corpus.after, part, WARM_UP))
            found.append(brackets.oracle_losses(text)[-(part.stop - part.start) :])
        return losses_by_stretch(found)

    def _count(self) -> None:
        give_way()
        corpus = self._corpus
        try:
            self.ladder = ngram_ladder(corpus.counted, corpus.after, len(corpus.vocabulary), self._parts)
        except Exception:
            self.failure = traceback.format_exc()
