"""A source: bytes of a text that can be read several times, each time from the beginning and each time the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

CHUNK = 1 << 20  # bytes read at a time


@dataclass(frozen=True)
class Source:
    """Bytes that can be read several times, each time from the beginning."""

    label: str  # the name of the source in messages
    size: int  # bytes
    encoding: str
    chunks: Callable[[], Iterator[bytes]]
    stamp: str = ""  # another one would have been found if the bytes had been others


@dataclass(frozen=True)
class Text:
    """A text as the user named it, and the sources that it stands for."""

    name: str
    sources: Sequence[Source]
    identity: str = ""  # names the text at every start, whatever its content; empty if it can be read only once
    address: str = ""  # leads to the text from everywhere, at every later start; empty if it can be read only once
    is_steady: bool = True  # whether the same sources are expected there later; not of a directory
    optional: bool = False  # leave out sources that are not text: the user named the directory, not the file
    left_out: Sequence[str] = ()  # what was found below a directory and is no file that can be read, with the reason


def in_memory(label: str, content: bytes) -> Source:
    """A source of UTF-8 text that lies in memory."""
    return Source(label, len(content), "utf-8", lambda: iter([content]), hashlib.sha256(content).hexdigest())
