"""Work that can be interrupted: a generator that yields between two pieces of it, and returns the result.

It yields True where it waits for something else, so that nothing is gained by going on at once.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, TypeVar

Result = TypeVar("Result")
Pieces = Generator[Any, None, Result]


def whole(pieces: Pieces[Result]) -> Result:
    """Do all of the work at once; its result."""
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            result: Result = end.value
            return result


def last(pieces: Pieces[Result]) -> Iterator[Result | None]:
    """An iterator over the same work, which yields None between two pieces, and the result last."""
    result: Result = yield from pieces
    yield result
