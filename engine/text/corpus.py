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
from engine.text.split import Split, split
from engine.text.streams import Waiting
from engine.text.stretches import LONGEST, stretches_of
from engine.text.vocabulary import Vocabulary

LARGE = 1 << 25  # bytes; the codes of texts of this size and more lie in a file, not in memory
MOST_TEXTS = 10_000  # named one by one
BOUNDARY = 16  # codes: more than the longest n-gram has
JUDGED = 10_000  # characters by which a text is recognised as the brackets language


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
    blocks: int = 1  # in which the validation part lies, all over the text; see `split`

    @property
    def length(self) -> int:
        """N, the number of characters."""
        return len(self.codes)

    @cached_property
    def split(self) -> Split:
        """Which of the codes are for training, for validation and for a test."""
        return split(self.length, self.validation, self.test, self.blocks)

    @cached_property
    def train(self) -> Codes:
        """The codes for training, one part after another."""
        return self._joined(self.split.training)

    @cached_property
    def valid(self) -> Codes:
        """The codes for validation, one block after another; may be empty."""
        return self._joined(self.split.validation)

    @property
    def tested(self) -> Codes:
        """The codes for a test: the end of the text, which neither training nor any choice depends on; may be empty."""
        return self.codes[self.split.test]

    def _joined(self, parts: Sequence[slice]) -> Codes:
        """The codes of the `parts`; a view of them if there is one part."""
        if len(parts) == 1:
            return self.codes[parts[0]]
        return frozen(np.concatenate([self.codes[:0], *(self.codes[part] for part in parts)]))

    @property
    def train_starts(self) -> tuple[int, ...]:
        """Where in `train` each part begins: what stands there does not follow what stands before it."""
        sizes = [part.stop - part.start for part in self.split.training]
        return (0, *np.cumsum(sizes[:-1]).tolist())

    @property
    def before(self) -> Codes:
        """The codes for training that come before the first block for validation."""
        return self.codes[self.split.training[0]]

    @property
    def after(self) -> Codes:
        """All codes behind `before`, up to those for a test: the blocks, and what lies between them."""
        return self.codes[len(self.before) : self.split.test.start]

    def measured(self, longest: int | None = LONGEST) -> list[slice]:
        """The stretches of the blocks on which losses are measured, as places in `after`; see `engine.text.stretches`.

        Each block is measured whole if `longest` is None.
        """
        first = len(self.before)
        blocks = [slice(block.start - first, block.stop - first) for block in self.split.validation]
        return stretches_of(blocks, longest)

    @cached_property
    def counted(self) -> Codes:
        """The codes for training as counting models count them, in an order in which `after` follows the last part.

        Between two parts stand `BOUNDARY` codes V, which no vocabulary of V characters has: no n-gram goes across.
        """
        first, *others = self.split.training
        if not others:
            return self.train
        boundary = np.full(BOUNDARY, len(self.vocabulary), np.min_scalar_type(len(self.vocabulary)))
        pieces = [piece for part in others for piece in (self.codes[part], boundary)]
        return frozen(np.concatenate([*pieces, self.codes[first]]))

    def held_out(self, seq: int) -> Codes:
        """The codes that probes read in windows of `seq` steps: the first block for validation.

        The training part before it if the block is too short for one window.
        """
        block = self.codes[self.split.validation[0]] if self.split.validation else self.valid
        return block if len(block) > seq else self.before

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
    blocks: int = 1,
) -> Corpus:
    """Read `texts` and join them, with nothing between them.

    A text is a known name, the path of a file or directory, or `-` for standard input. A known name always
    means the known text; write `./NAME` for a file of that name. A directory stands for all files below it
    that are text in `encoding`, sorted by path, except hidden ones and what this program writes. Characters
    stay as they are, line ends included; only a byte order mark is dropped. `validation` is the share of the
    text, 0 … 1, that is not trained on, in that many `blocks`, and `test` the share behind it that is kept from
    everything. `progress` is called with the share of the text that has been read, 0 … 1, also while a pipe has
    nothing to read. `stdin` replaces standard input. `say` takes a sentence about what is waited for. Without
    `streams`, what can be read only once is refused. A text that cannot have `length` characters is not read to its
    end.

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
        found = [finder.find(text) for text in texts]
        corpus = _load(texts, found, encoding, (validation, test), progress, cache, length)
        return dataclasses.replace(corpus, blocks=blocks)


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
