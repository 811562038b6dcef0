"""Text that can be printed: nothing in it steers a terminal, and all of it can be encoded.

Whatever comes from a file, a path, an exception, the environment or the command line may hold escape sequences. It
passes through here before a terminal, or a log that somebody reads on one, receives it.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

NEWLINE = "⏎"
REPLACEMENT = "\ufffd"  # for C1 controls, lone surrogates and unassigned code points
PLACEHOLDER = "\u25cc"  # a dotted circle, for characters that have no width or merge with their neighbours
PICTURES = {"\n": NEWLINE, "\t": "⇥", "\x7f": "\u2421", "\u2028": "\u2424", "\u2029": "\u2424"}
PICTURES |= {chr(code): chr(0x2400 + code) for code in range(0x20) if chr(code) not in PICTURES}

_JOINERS = "\u200c\u200d"  # without them, words and emoji would fall apart


def printable(text: str) -> str:
    """`text` on one line, with controls, direction marks, line separators and lone surrogates made visible.

    All else stays as it is, combining marks and joiners too, so that a path can be copied.
    """
    return text if _is_plain(text) else "".join(map(_shown, text))


def printable_lines(text: str) -> str:
    """`text` as `printable` shows it, but its newlines and tabs stay."""
    return "".join(char if char in "\n\t" else _shown(char) for char in text)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


@lru_cache(maxsize=8192)
def _shown(char: str) -> str:
    if char in PICTURES:
        return PICTURES[char]
    match unicodedata.category(char):
        case "Cc" | "Cs":
            return REPLACEMENT
        case "Cf" if char not in _JOINERS:
            return PLACEHOLDER
    return char
