"""Makes any character visible and harmless, so that no text of a corpus or a network can control the terminal."""

from __future__ import annotations

import contextlib
import unicodedata
from functools import lru_cache
from pathlib import Path

from rich.cells import cell_len

from engine.printable import PICTURES, PLACEHOLDER, REPLACEMENT

SPACE = "␣"

_SIGNS = {SPACE, PLACEHOLDER, REPLACEMENT, *PICTURES.values()}
_BLANK = "\u115f\u1160\u2800\u3164\uffa0"  # letters and a braille pattern without ink


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
    """A character that stands by itself, so that it can be told from any other: in a sentence, in a list.

    It is as `visible` shows it, but a space is ␣, and what is not seen, or looks like others, has its code point beside
    it: the no-break space is ␣U+00A0, the zero width joiner ◌U+200D.
    """
    category = unicodedata.category(char)
    shown = SPACE if category == "Zs" or char in _BLANK else visible(char)
    if char == " " or (category == "Cc" and char in PICTURES):
        return shown  # these are what the signs usually stand for
    return f"{shown}U+{ord(char):04X}" if shown in _SIGNS or category == "Co" else shown


def visible_text(text: str) -> str:
    """All of `text` on one line, each code point as `visible` shows it."""
    return "".join(map(visible, text))


def path_from_here(path: str | Path) -> str:
    """A path as one would type it here: if it lies below the working directory, from there. Safe to print."""
    with contextlib.suppress(ValueError, OSError):  # it lies elsewhere, or the working directory was deleted
        path = Path(path).relative_to(Path.cwd())
    return visible_text(str(path))


def _is_selector(char: str) -> bool:
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def _merges(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff" or "\U0001f3fb" <= char <= "\U0001f3ff"
