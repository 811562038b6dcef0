"""Makes any character visible and harmless, so that no text of a corpus or a network can control the terminal."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from rich.cells import cell_len

from engine.printable import PICTURES, PLACEHOLDER, REPLACEMENT


@lru_cache(maxsize=8192)
def visible(char: str) -> str:
    """One code point as text of one or two cells that does not change its neighbours.

    Newline is ⏎, tab ⇥, other controls are control pictures or �. A combining mark sits on a dotted circle. Characters
    that are invisible or would merge with their neighbours (joiners, variation selectors, direction marks, skin tones,
    flag letters) are a bare dotted circle.
    """
    if char in PICTURES:
        return PICTURES[char]
    category = unicodedata.category(char)
    if category in ("Cc", "Cs", "Cn"):
        return REPLACEMENT
    if category in ("Mn", "Me") and not _is_selector(char):
        return PLACEHOLDER + char
    if category in ("Cf", "Mc", "Mn", "Zl", "Zp") or _merges(char) or cell_len(char) == 0:
        return PLACEHOLDER
    return char


@lru_cache(maxsize=8192)
def width(char: str) -> int:
    """Cells that `visible(char)` takes: 1 or 2."""
    return cell_len(visible(char))


def named(char: str) -> str:
    """A character as `visible` shows it, but a space as ␣: in a sentence, a blank would not be seen."""
    return "␣" if char == " " else visible(char)


def visible_text(text: str) -> str:
    """All of `text` on one line, each code point as `visible` shows it."""
    return "".join(map(visible, text))


def _is_selector(char: str) -> bool:
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def _merges(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff" or "\U0001f3fb" <= char <= "\U0001f3ff"
