"""From bytes to codes, a piece at a time: a first pass finds out which characters occur, a second one encodes them."""

from __future__ import annotations

import codecs
import itertools
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.arrays import Codes
from engine.errors import UserError
from engine.text.source import Source
from engine.text.vocabulary import CODE_POINTS, Vocabulary, code_points

MARK, SWAPPED_MARK = "\ufeff", "\ufffe"  # the byte order mark, and as it looks in the other byte order
MARKLESS = ("utf-16", "utf-32", "utf-8-sig")  # codecs that drop the mark themselves
FIXED_ORDER = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


def check_encoding(encoding: str) -> None:
    """Raise `UserError` unless `encoding` names a text encoding that Python can decode."""
    try:
        b"ab".decode(encoding)
    except UnicodeDecodeError:
        pass  # the encoding exists; only these two bytes are not text in it
    except (LookupError, ValueError):
        raise UserError(
            f"{encoding!r} is no text encoding that Python knows; try utf-8, utf-16, latin-1 or cp1252"
        ) from None


@dataclass
class Meter:
    """Adds up the bytes that were read, and calls `report` with their share of `total` bytes, 0 … 1."""

    total: int
    report: Callable[[float], None]
    done: int = 0

    def add(self, count: int) -> None:
        """Count `count` more bytes as read, and report."""
        self.done += count
        self.report(min(1.0, self.done / max(1, self.total)))


def decode(source: Source, meter: Meter) -> Iterator[str]:
    """Yields the text of a source in pieces, without a byte order mark. Raises `UserError` if it is not text."""
    codec = codecs.lookup(source.encoding)
    decoder = codecs.getincrementaldecoder(source.encoding)()
    count, is_begun = 0, False
    try:
        for chunk in itertools.chain(source.chunks(), [b""]):
            count += len(chunk)
            text = decoder.decode(chunk, final=not chunk)
            if text and not is_begun:
                is_begun = True
                text = _without_mark(text, codec.name, source)
            yield text
            meter.add(len(chunk))
    except UnicodeDecodeError as error:
        where = f" (byte 0x{error.object[error.start]:02x} at {count - len(error.object) + error.start})"
        raise UserError(_not_text(source, where)) from None
    except UnicodeError:
        raise UserError(_not_text(source, "")) from None
    except OSError as error:
        raise UserError(f"{source.label}: cannot be read ({error.strerror}); name a file that can be read") from None


def _without_mark(text: str, codec: str, source: Source) -> str:
    """The beginning of a text without its byte order mark. Raises `UserError` if the mark says another byte order."""
    if codec in MARKLESS:  # the codec has dropped it
        return text
    if text[0] == SWAPPED_MARK and codec in FIXED_ORDER:
        raise UserError(_not_text(source, " (its byte order mark says the other byte order)"))
    return text.removeprefix(MARK)


def _not_text(source: Source, where: str) -> str:
    return f"{source.label}: is not {source.encoding} text{where}; name a text file, or the encoding that it is in"


@dataclass
class Survey:
    """The result of the first pass: which characters occur, how many there are in all, which sources are not text."""

    seen: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(CODE_POINTS, np.bool_))
    length: int = 0
    checksum: int = 0  # of all characters, to be compared with that of the second pass
    kept: list[Source] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # each with the reason

    @property
    def vocabulary(self) -> Vocabulary:
        """The characters found so far."""
        return Vocabulary.from_points(np.flatnonzero(self.seen).tolist())

    def add(self, sources: Sequence[Source], meter: Meter, optional: bool) -> int:
        """Read `sources`, and return how many characters they have.

        If `optional`, sources that are not text are left out; otherwise the first of them raises `UserError`.
        """
        before = self.length
        for source in sources:
            seen = np.zeros(256, np.bool_)
            length, checksum = 0, self.checksum
            try:
                for text in decode(source, meter):
                    points = code_points(text)
                    if points.itemsize > 1 and len(seen) < CODE_POINTS:
                        seen = np.concatenate([seen, np.zeros(CODE_POINTS - len(seen), np.bool_)])
                    seen[points] = True
                    length += len(points)
                    checksum = zlib.crc32(points.data, checksum)
            except UserError as error:
                if not optional:
                    raise
                self.left_out.append(f"{source.label} ({_reason(str(error), source)})")
                continue
            self.seen[: len(seen)] |= seen
            self.length += length
            self.checksum = checksum
            self.kept.append(source)
        return self.length - before


def _reason(sentence: str, source: Source) -> str:
    """Why a source is left out: its problem, without its name, its place and what to do."""
    problem = sentence.removeprefix(f"{source.label}: ").partition(";")[0]
    if problem.startswith("is not "):
        return f"not {source.encoding} text"
    return problem.replace(" (", ": ").removesuffix(")")


def encode(survey: Survey, vocabulary: Vocabulary, meter: Meter) -> Iterator[Codes]:
    """Yields the codes of all surveyed sources, in pieces (n,) of the narrowest unsigned type that holds V − 1.

    Raises `UserError` at the end if the sources did not have the same characters as when they were surveyed.
    """
    dtype = np.min_scalar_type(len(vocabulary) - 1)
    table = np.zeros(CODE_POINTS, dtype)
    table[code_points("".join(vocabulary.characters))] = np.arange(len(vocabulary))
    checksum = 0
    for source in survey.kept:
        for text in decode(source, meter):
            points = code_points(text)
            checksum = zlib.crc32(points.data, checksum)
            yield np.take(table, points)
    if checksum != survey.checksum:
        names = survey.kept[0].label + (f" and {len(survey.kept) - 1} more" if len(survey.kept) > 1 else "")
        raise UserError(f"{names}: changed while it was being read; try again when nothing writes to it")
