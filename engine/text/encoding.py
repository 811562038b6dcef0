"""From bytes to codes, a piece at a time: a first pass finds out which characters occur, a second one encodes them."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from engine.arrays import Codes
from engine.errors import UserError
from engine.text.sources import Source
from engine.text.vocabulary import CODE_POINTS, Vocabulary, code_points


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
    encoding = "utf-8-sig" if codecs.lookup(source.encoding).name == "utf-8" else source.encoding
    decoder = codecs.getincrementaldecoder(encoding)()
    count = 0
    try:
        for chunk in source.chunks():
            count += len(chunk)
            yield decoder.decode(chunk)
            meter.add(len(chunk))
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        where = f" (byte 0x{error.object[error.start]:02x} at {count - len(error.object) + error.start})"
        raise UserError(_not_text(source, where)) from None
    except UnicodeError:
        raise UserError(_not_text(source, "")) from None
    except OSError as error:
        raise UserError(f"{source.label}: cannot be read ({error.strerror}); name a file that can be read") from None


def _not_text(source: Source, where: str) -> str:
    return f"{source.label}: is not {source.encoding} text{where}; name a text file, or the encoding that it is in"


@dataclass
class Survey:
    """The result of the first pass: which characters occur, how many there are in all, which sources are not text."""

    seen: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(CODE_POINTS, np.bool_))
    length: int = 0
    kept: list[Source] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

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
            length = 0
            try:
                for text in decode(source, meter):
                    points = code_points(text)
                    if points.itemsize > 1 and len(seen) < CODE_POINTS:
                        seen = np.concatenate([seen, np.zeros(CODE_POINTS - len(seen), np.bool_)])
                    seen[points] = True
                    length += len(points)
            except UserError:
                if not optional:
                    raise
                self.left_out.append(source.label)
                continue
            self.seen[: len(seen)] |= seen
            self.length += length
            self.kept.append(source)
        return self.length - before


def encode(sources: Iterable[Source], vocabulary: Vocabulary, meter: Meter) -> Iterator[Codes]:
    """Yields the codes of all sources in order, in pieces (n,) of the narrowest unsigned type that holds V − 1."""
    dtype = np.min_scalar_type(len(vocabulary) - 1)
    table = np.zeros(CODE_POINTS, dtype)
    table[code_points("".join(vocabulary.characters))] = np.arange(len(vocabulary))
    for source in sources:
        for text in decode(source, meter):
            yield np.take(table, code_points(text))
