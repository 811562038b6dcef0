"""Chooses the sentences below a picture for the room there is: each is there whole, in short, or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tui.rendering.strips import wrap


@dataclass(frozen=True, slots=True)
class Saying:
    """A finding in a full sentence, and in short for where there is little room; empty if it is left out there."""

    full: str
    short: str


def fitted(found: Iterable[Saying], width: int, most: int) -> list[str]:
    """At most `most` lines of `width` cells: as many findings as fit, each in full if the others fit then."""
    found = list(found)
    for count in range(len(found), 0, -1):
        for full in range(count, -1, -1):
            words = " ".join([*(each.full for each in found[:full]), *(each.short for each in found[full:count])])
            lines = wrap(words, width, 99)
            if len(lines) <= most:
                return lines
    return []
