"""Work that can be interrupted: a generator that yields between two pieces of it, and returns the result.

It yields True where it waits for something else, so that nothing is gained by going on at once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterator
from typing import Any, ParamSpec, TypeVar

Result = TypeVar("Result")
Pieces = Generator[Any, None, Result]
Arguments = ParamSpec("Arguments")


def whole(pieces: Pieces[Result]) -> Result:
    """Do all of the work at once; its result."""
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            result: Result = end.value
            return result


def at_once(in_pieces: Callable[Arguments, Pieces[Result]]) -> Callable[Arguments, Result]:
    """The function that does all of the work of `in_pieces` at once, and returns its result."""

    @functools.wraps(in_pieces)
    def function(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        return whole(in_pieces(*args, **kwargs))

    return function


def last(pieces: Pieces[Result]) -> Iterator[Result | None]:
    """An iterator over the same work, which yields None between two pieces, and the result last."""
    result: Result = yield from pieces
    yield result
