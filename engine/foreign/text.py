"""The text of a foreign network's run: one in the network's own vocabulary, or what the network writes itself."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Sequence

import numpy as np

from engine.errors import UserError
from engine.network.model import Model
from engine.network.sampling import Choice, Sampler, generate
from engine.text.corpus import Corpus, load_corpus
from engine.text.vocabulary import Vocabulary

OWN_NAME = "its own samples"
OWN_LENGTH = 10_000  # characters
NAMED = 5  # characters that a sentence names
PIECE = 1 << 20  # characters that are filtered at a time

Say = Callable[[str], None]


def text_within(
    vocabulary: Vocabulary,
    texts: Sequence[str],
    validation: float,
    say: Say,
    progress: Callable[[float], None] | None = None,
) -> Corpus:
    """The `texts` without the characters that are not in the network's `vocabulary`; `say` says what was left out.

    Raises `UserError` if a text cannot be read, or too little of it is left.
    """
    corpus = load_corpus(texts, validation=validation, progress=progress, say=say)
    known = set(vocabulary.characters)
    unknown = [character for character in corpus.vocabulary.characters if character not in known]
    if unknown:
        is_known = np.array([character in known for character in corpus.vocabulary.characters])
        pieces = (corpus.codes[start : start + PIECE] for start in range(0, corpus.length, PIECE))
        filtered = "".join(corpus.vocabulary.decode(piece[is_known[piece]]) for piece in pieces)
        left_out = corpus.length - len(filtered)
        more = f" and {len(unknown) - NAMED:,} more" if len(unknown) > NAMED else ""
        say(
            f"{corpus.name}: {left_out:,} of {corpus.length:,} characters are left out, as the network does not know "
            f"them: {', '.join(map(repr, unknown[:NAMED]))}{more}"
        )
        corpus = _in_memory(filtered, corpus.name, validation)
    if len(corpus.train) < 2:
        raise UserError(f"{corpus.name}: has {corpus.length} characters that the network knows; give a longer text")
    return corpus


def own_text(model: Model, vocabulary: Vocabulary, validation: float) -> Corpus:
    """`OWN_LENGTH` characters that the network itself writes, drawn from its own probabilities: always the same."""
    sampler = Sampler(model, np.random.Generator(np.random.PCG64(0)))
    codes = [code for code, _ in generate(sampler, Choice(temperature=1.0), OWN_LENGTH)]
    return _in_memory(vocabulary.decode(np.array(codes)), OWN_NAME, validation)


def _in_memory(text: str, name: str, validation: float) -> Corpus:
    """A corpus that is found nowhere: its run keeps it."""
    if not text:
        raise UserError(f"{name}: has no character that the network knows; give another text")
    marked = "\ufeff" * text.startswith("\ufeff") + text  # the reader drops one as a byte order mark
    stream = io.BytesIO(marked.encode("utf-8", "surrogatepass"))
    return dataclasses.replace(load_corpus(["-"], validation=validation, stdin=stream), name=name)
