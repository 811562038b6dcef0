"""The characters that a model knows, each with its index, in the order of their Unicode code points."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.arrays import Codes

CODE_POINTS = 0x110000  # how many Unicode has


def code_points(text: str) -> NDArray[np.unsignedinteger[Any]]:
    """The code points of `text`, (len(text),), as uint8 if they all fit, else as uint32.

    Lone surrogates, which a terminal may send, are treated like any other code point.
    """
    try:
        return np.frombuffer(text.encode("latin-1"), np.uint8)
    except UnicodeEncodeError:
        return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


@dataclass(frozen=True)
class Vocabulary:
    """The V characters of a text in index order.

    Raises `ValueError` if there is none, or if they are not in rising order of their code points, each once.
    """

    characters: tuple[str, ...]
    _points: NDArray[np.unsignedinteger[Any]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        points = code_points("".join(self.characters)).astype(np.uint32)
        each_one = all(len(character) == 1 for character in self.characters)
        if not points.size or not each_one or (points[1:] <= points[:-1]).any():
            raise ValueError("a vocabulary is at least one character, in the order of the code points, each once")
        object.__setattr__(self, "_points", points)

    @classmethod
    def from_points(cls, points: Iterable[int]) -> Vocabulary:
        """The vocabulary of `points`, code points in rising order."""
        return cls(tuple(map(chr, points)))

    def __len__(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> tuple[Codes, str]:
        """The indices (N,) of the known characters of `text`, and a string of the unknown characters, in order."""
        points = code_points(text)
        codes = np.minimum(np.searchsorted(self._points, points), len(self) - 1)
        known = self._points[codes] == points
        skipped = "".join(text[i] for i in np.flatnonzero(~known))
        return codes[known], skipped

    def decode(self, codes: Codes) -> str:
        """The text of the indices `codes` (N,). Raises `IndexError` for an index outside 0 … V − 1."""
        if codes.size and codes.min() < 0:
            raise IndexError("an index below 0 is no character")
        points = self._points[codes].astype("<u4")
        return bytes(points).decode("utf-32-le", "surrogatepass")
