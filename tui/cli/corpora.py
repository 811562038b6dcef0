"""`charrnn-tui corpora`: the built-in texts, and what a good loss on each is."""

from __future__ import annotations

from argparse import Namespace

from engine.errors import UserError
from engine.text.corpus import load_corpus
from engine.text.counting import ngram_ladder
from engine.text.known import KNOWN
from tui.cli.output import say

SHOWN = (2, 3, 4, 5, 7, 9)  # characters of the n-grams


def run(options: Namespace) -> int:
    """Print a table of the built-in texts: name, size, vocabulary, losses of n-gram models in nats per character."""
    heads = "".join(f"{f'{n}-gram':>7}" for n in SHOWN)
    say(f"{'text':<10}{'characters':>11}{'vocabulary':>11}  {heads}  exact")
    for name, meaning in KNOWN.items():
        try:
            corpus = load_corpus([name])
        except UserError as error:
            say(f"{name:<10} {error}")
            continue
        whole = slice(0, len(corpus.valid))
        ladder = ngram_ladder(corpus.train, corpus.valid, len(corpus.vocabulary), [whole])
        losses = "".join(f"{rung.loss:>7.3f}" for rung in ladder.rungs if rung.n in SHOWN)
        exact = f"{corpus.entropy:>7.4f}" if corpus.entropy is not None else ""
        say(f"{name:<10}{corpus.length:>11,}{len(corpus.vocabulary):>11,}  {losses}{exact}")
        say(f"          {meaning}")
        if ladder.counted < len(corpus.train):
            say(f"          (counted in the last {ladder.counted:,} of {len(corpus.train):,} characters for training)")
    say()
    say("Losses in nats per character on the held-out tenth. An n-gram model only counts: it predicts a character")
    say("from the n − 1 before it (interpolated modified Kneser–Ney).")
    return 0
