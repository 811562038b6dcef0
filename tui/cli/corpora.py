"""`charrnn-tui corpora`: the built-in texts, and what a good loss on each is."""

from __future__ import annotations

from argparse import Namespace

from engine.errors import UserError
from engine.text.corpus import load_corpus
from engine.text.counting import kgram_ladder
from engine.text.known import KNOWN
from tui.cli.output import say

RUNGS = (1, 2, 3, 4, 6)  # characters of context


def run(options: Namespace) -> int:
    """Print a table of the built-in texts: name, size, vocabulary, k-gram losses in nats per character."""
    say(f"{'text':<10}{'characters':>12}{'vocabulary':>12}   " + "".join(f"{f'k={k}':>7}" for k in RUNGS) + "   exact")
    for name, meaning in KNOWN.items():
        try:
            corpus = load_corpus([name])
        except UserError as error:
            say(f"{name:<10} {error}")
            continue
        ladder = kgram_ladder(corpus.train, corpus.valid, len(corpus.vocabulary), ks=RUNGS)
        losses = "".join(f"{rung.loss:>7.3f}" for rung in ladder)
        exact = f"{corpus.entropy:>8.4f}" if corpus.entropy is not None else ""
        say(f"{name:<10}{corpus.length:>12,}{len(corpus.vocabulary):>12,}   {losses}{exact}")
        say(f"          {meaning}")
    say()
    say("Losses of models that count which character follows which k: nats per character on the held-out tenth.")
    return 0
