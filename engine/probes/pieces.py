"""Work that can be interrupted: a generator that yields between two pieces of it, and returns the result."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

Result = TypeVar("Result")
Pieces = Generator[None, None, Result]


def whole(pieces: Pieces[Result]) -> Result:
    """Do all of the work at once; its result."""
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            result: Result = end.value
            return result
