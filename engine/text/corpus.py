"""A corpus: the characters of one or more texts as codes: first for training, then for validation, last for a test."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from engine.arrays import Codes, frozen
from engine.errors import UserError
from engine.text import brackets
from engine.text import cache as encoding_cache
from engine.text.encoding import Meter, OtherLengthError, Survey, check_encoding, encode
from engine.text.known import is_known
from engine.text.source import Text
from engine.text.sources import Finder
from engine.text.streams import Waiting
from engine.text.vocabulary import Vocabulary

LARGE = 1 << 25  # bytes; the codes of texts of this size and more lie in a file, not in memory
MOST_TEXTS = 10_000  # named one by one
JUDGED = 10_000  # characters by which a text is recognised as the brackets language


def parts_of(length: int, validation: float, test: float) -> tuple[int, int]:
    """Where the validation part and the test part of a text of `length` characters begin, from their shares, 0 … 1."""
    tested = length - round(length * test)
    return max(tested - round(length * validation), 0), tested


@dataclass(frozen=True, eq=False)
class Corpus:
    """A text of N characters as `codes` (N,), indices into a vocabulary of V; read-only, and memory-mapped if large."""

    name: str
    codes: Codes
    vocabulary: Vocabulary
    validation: float  # share of the text, 0 … 1
    test: float  # share of the text, 0 … 1, behind that
    fingerprint: str  # a hash of vocabulary and codes: the same for the same text, wherever it lies
    left_out: tuple[str, ...] = ()  # what lies below directories and is not text that can be read, with the reason
    addresses: tuple[str, ...] = ()  # of its texts, from everywhere; an empty one for what can be read only once
    is_steady: bool = False  # whether the addresses are expected to give the same text at a later start
    encoding: str = "utf-8"  # of the files at the addresses
    stamps: tuple[str, ...] = ()  # of the sources, as they were read

    @property
    def length(self) -> int:
        """N, the number of characters."""
        return len(self.codes)

    @property
    def train(self) -> Codes:
        """The codes for training: all before those for validation."""
        return self.codes[: self._parts[0]]

    @property
    def valid(self) -> Codes:
        """The codes for validation, which follow those for training; may be empty."""
        return self.codes[slice(*self._parts)]

    @property
    def tested(self) -> Codes:
        """The codes for a test: the end of the text, which neither training nor any choice depends on; may be empty."""
        return self.codes[self._parts[1] :]

    def held_out(self, seq: int) -> Codes:
        """The codes that probes read in windows of `seq` steps: `valid`, or `train` if `valid` is too short for one."""
        return self.valid if len(self.valid) > seq else self.train

    def has_changed(self) -> bool:
        """Whether the addresses may lead to another text by now, or to none. Known texts do not change."""
        if not all(self.addresses):
            return True
        if all(map(is_known, self.addresses)):
            return False
        try:
            with ExitStack() as opened:
                finder = Finder(self.encoding, opened, streams=False)
                found = [finder.find(address) for address in self.addresses]
                return _stamps(found) != list(self.stamps)
        except UserError:
            return True

    @property
    def _parts(self) -> tuple[int, int]:
        return parts_of(self.length, self.validation, self.test)

    def with_characters(self, characters: Iterable[str]) -> Corpus:
        """The same text over a vocabulary that has these `characters` too. Its fingerprint stays that of the text."""
        known = self.vocabulary.characters
        vocabulary = Vocabulary(tuple(sorted({*known, *characters})))
        if vocabulary == self.vocabulary:
            return self
        place = {character: code for code, character in enumerate(vocabulary.characters)}
        table = np.array([place[character] for character in known], np.min_scalar_type(len(vocabulary) - 1))
        return dataclasses.replace(self, codes=frozen(table[self.codes]), vocabulary=vocabulary)

    @cached_property
    def is_brackets(self) -> bool:
        """Whether this is the brackets language, judged by its first `JUDGED` characters, not by its name."""
        if self.vocabulary.characters != brackets.CHARACTERS:
            return False
        return brackets.is_brackets(self.vocabulary.decode(self.codes[:JUDGED]))

    @property
    def entropy(self) -> float | None:
        """The entropy rate in nats per character of the brackets language; None for other texts, as it is unknown."""
        return brackets.entropy_rate() if self.is_brackets else None


def load_corpus(
    texts: Sequence[str],
    encoding: str = "utf-8",
    validation: float = 0.1,
    progress: Callable[[float], None] | None = None,
    stdin: BinaryIO | None = None,
    cache: Path | None = None,
    *,
    say: Callable[[str], None] = lambda sentence: None,
    test: float = 0.0,
    streams: bool = True,
    length: int | None = None,
) -> Corpus:
    """Read `texts` and join them, with nothing between them.

    A text is a known name, the path of a file or directory, or `-` for standard input. A known name always
    means the known text; write `./NAME` for a file of that name. A directory stands for all files below it
    that are text in `encoding`, sorted by path, except hidden ones and what this program writes. Characters
    stay as they are, line ends included; only a byte order mark is dropped. `validation` is the share of the
    text, 0 … 1, that is not trained on, and `test` the share behind it that is kept from everything. `progress`
    is called with the share of the text that has been read, 0 … 1, also while a pipe has nothing to read.
    `stdin` replaces standard input. `say` takes a sentence about what is waited for. Without `streams`, what
    can be read only once is refused. A text that cannot have `length` characters is not read to its end.

    If the texts have 32 MB or more together, their codes are written into a file in the directory `cache`,
    by default the user's cache directory. The next start maps that file into memory and reads no text.

    Raises `UserError` if a text is missing, empty, not text, changes while it is read, has no end, or cannot
    be read or stored, and for an unknown `encoding`; `OtherLengthError` if it cannot have `length` characters.
    """
    check_encoding(encoding)
    progress = progress or (lambda share: None)
    if len(texts) > MOST_TEXTS:
        raise UserError(f"{texts[0]} and {len(texts) - 1:,} more: are too many texts; name a directory")
    with ExitStack() as opened:
        finder = Finder(encoding, opened, stdin, Waiting(partial(progress, 0.0), say), streams)
        return _load(
            texts, [finder.find(text) for text in texts], encoding, (validation, test), progress, cache, length
        )


def _load(
    texts: Sequence[str],
    found: Sequence[Text],
    encoding: str,
    shares: tuple[float, float],
    progress: Callable[[float], None],
    cache: Path | None,
    length: int | None,
) -> Corpus:
    size = sum(source.size for text in found for source in text.sources)
    if length is not None and size < length:  # every character takes a byte at least
        raise OtherLengthError(texts[0], "fewer", length)
    stamps = _stamps(found)
    file = _cache_file(found, encoding, cache) if size >= LARGE else None
    make = partial(
        Corpus,
        name=found[0].name + (f" and {len(found) - 1} more" if len(found) > 1 else ""),
        validation=shares[0],
        test=shares[1],
        addresses=tuple(text.address for text in found),
        is_steady=all(text.is_steady for text in found),
        encoding=encoding,
        stamps=tuple(stamps),
    )
    if file and (stored := encoding_cache.load(file, stamps)):
        return make(**stored)

    if size >= LARGE:
        encoding_cache.require_room(file, size)
    meter = Meter(2 * size, progress)
    survey = Survey(most=length)
    for argument, text in zip(texts, found, strict=True):
        survey.left_out += text.left_out
        if not survey.add(text.sources, meter, text.optional):
            what = f"has no {encoding} text in it" if text.optional else "is empty"
            raise UserError(f"{argument}: {what}; name a text")
    vocabulary = survey.vocabulary
    description: dict[str, Any] = {
        "stamps": stamps,
        "length": survey.length,
        "dtype": np.min_scalar_type(len(vocabulary) - 1).str,
        "points": [ord(character) for character in vocabulary.characters],
        "left_out": sorted(survey.left_out),
    }
    pieces = _fingerprinted(encode(survey, vocabulary, meter), description)
    codes = encoding_cache.store(file, pieces, description) if size >= LARGE else frozen(np.concatenate(list(pieces)))
    meter.report(1.0)
    fingerprint, left_out = description["fingerprint"], tuple(description["left_out"])
    return make(codes=codes, vocabulary=vocabulary, fingerprint=fingerprint, left_out=left_out)


def _stamps(found: Sequence[Text]) -> list[str]:
    return [source.stamp for text in found for source in text.sources]


def _cache_file(texts: Sequence[Text], encoding: str, cache: Path | None) -> Path | None:
    """The file for the codes of these texts; None if a later start could not recognise the texts."""
    directory = cache or encoding_cache.default_directory()
    identities = [text.identity for text in texts]
    if directory is None or not all(identities):
        return None
    key = "\n".join([encoding, *identities]).encode("utf-8", "surrogateescape")
    return directory / f"{hashlib.sha256(key).hexdigest()[:32]}.codes"


def _fingerprinted(pieces: Iterator[Codes], description: dict[str, Any]) -> Iterator[Codes]:
    """Yield the `pieces`; after the last one, add the fingerprint of all of them to `description`."""
    digest = encoding_cache.digest(description["points"])
    for codes in pieces:
        digest.update(codes.data)
        yield codes
    description["fingerprint"] = digest.hexdigest()
