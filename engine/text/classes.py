"""Classes of characters, by what one must know to predict each: a line end, a digit, a letter of a rare word, …

A character belongs to the first of `CLASSES` that fits. A word is a run of letters and the marks that belong to them,
as it is written: "The" is another word than "the".
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

import numpy as np

from engine.arrays import Codes, Integers
from engine.text.stretches import with_context
from engine.text.vocabulary import Vocabulary

CLASSES = (
    "line end",
    "blank",
    "digit",
    "punctuation and signs",
    "first letter of a word",
    "letter of a rare word",
    "letter of a recent word",
    "other letter",
)
LINE_END, BLANK, DIGIT, SIGN, FIRST, RARE, RECENT, OTHER = range(len(CLASSES))

RARE_BELOW = 5  # times that a word stands in the training text; one that stands there less often is rare
RECENT_WITHIN = 1000  # characters before a word; one that stands in them already is recent
LONGEST_WORD = 1000  # letters that are looked at around a part of a text, to know the words at its ends whole
PIECE = 1 << 16  # characters in which words are counted at a time, so that other threads have their turn
LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"  # where Python's `str.splitlines` breaks a line


def classes_of(train: Codes, text: Codes, vocabulary: Vocabulary, parts: Sequence[slice]) -> list[Integers]:
    """For each of the `parts` of `text` the classes of its characters, (n,), as indices into `CLASSES`.

    `text` (M,) follows the training text `train` (N,): the words before a part may be those of `train`. Codes that the
    vocabulary does not have stand for gaps in it.
    """
    pieces = [_with_surroundings(train, text, part, len(vocabulary)) for part in parts]
    kinds = _kinds(vocabulary)
    decoded = [vocabulary.decode(codes) for codes, _ in pieces]
    spans = [_words(kinds[codes]) for codes, _ in pieces]
    wanted = {word[begin:end] for word, (begins, ends) in zip(decoded, spans, strict=True)
              for begin, end in zip(begins, ends, strict=True)}  # fmt: skip
    common = _common(train, vocabulary, kinds, wanted)
    return [
        _classes(kinds[codes], string, *words, common)[own]
        for (codes, own), string, words in zip(pieces, decoded, spans, strict=True)
    ]


def _with_surroundings(train: Codes, text: Codes, part: slice, known: int) -> tuple[Codes, slice]:
    """`text[part]` with what its classes depend on before and after it, and where the part lies in that.

    What stands before a gap, a code that is not below `known`, is left out.
    """
    codes = with_context(train, text, part, RECENT_WITHIN + LONGEST_WORD)
    gaps = np.flatnonzero(codes >= known)
    codes = codes[gaps[-1] + 1 :] if len(gaps) else codes
    size = part.stop - part.start
    own = slice(len(codes) - size, len(codes))
    return np.concatenate([codes, np.asarray(text[part.stop : part.stop + LONGEST_WORD])]).astype(np.intp), own


def _kinds(vocabulary: Vocabulary) -> Integers:
    """For each character of the vocabulary its class as far as it depends on itself alone, (V,); a letter is OTHER."""
    return np.array([_kind(character) for character in vocabulary.characters], np.uint8)


def _kind(character: str) -> int:
    category = unicodedata.category(character)
    if character in LINE_ENDS:
        return LINE_END
    if character.isspace() or category[0] == "Z":
        return BLANK
    return {"N": DIGIT, "L": OTHER, "M": OTHER}.get(category[0], SIGN)


def _words(kinds: Integers) -> tuple[list[int], list[int]]:
    """Where the words of a text begin, and where each has ended, from the kinds of its characters."""
    is_letter = np.concatenate([[False], kinds == OTHER, [False]]).astype(np.int8)
    steps = np.diff(is_letter)
    return np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist()


def _classes(
    kinds: Integers, text: str, begins: Sequence[int], ends: Sequence[int], common: Collection[str]
) -> Integers:
    """The class of every character of `text`, whose words begin and end there; `common` words are not rare."""
    classes = kinds.copy()
    classes[np.asarray(begins, np.intp)] = FIRST
    last: dict[str, int] = {}  # where each word began when it stood in the text last
    for begin, end in zip(begins, ends, strict=True):
        word = text[begin:end]
        if word not in common:
            classes[begin + 1 : end] = RARE
        elif begin - last.get(word, -RECENT_WITHIN - 1) <= RECENT_WITHIN:
            classes[begin + 1 : end] = RECENT
        last[word] = begin
    return classes


def _common(train: Codes, vocabulary: Vocabulary, kinds: Integers, wanted: Collection[str]) -> set[str]:
    """Those of the `wanted` words that are not rare in the training text."""
    counts: Counter[str] = Counter()
    for codes in _pieces(train, kinds):
        text = vocabulary.decode(codes)
        begins, ends = _words(kinds[codes])
        counts.update(word for begin, end in zip(begins, ends, strict=True) if (word := text[begin:end]) in wanted)
    return {word for word, count in counts.items() if count >= RARE_BELOW}


def _pieces(codes: Codes, kinds: Integers) -> Iterator[Codes]:
    """The text in pieces that cut no word, unless a word is longer than a piece. Gaps are left out, and cut words."""
    kinds = np.append(kinds, SIGN).astype(kinds.dtype)  # of the code in gaps
    start = 0
    while start < len(codes):
        piece = np.asarray(codes[start : start + PIECE], np.intp)
        breaks = np.flatnonzero(kinds[piece] != OTHER)
        if start + len(piece) < len(codes) and len(breaks):
            piece = piece[: breaks[-1] + 1]
        start += len(piece)
        for whole in np.split(piece, np.flatnonzero(piece >= len(kinds) - 1)):
            yield whole[whole < len(kinds) - 1]
