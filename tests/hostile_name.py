"""A name that tries to steer the terminal it is printed on, and what a terminal must never receive."""

from __future__ import annotations

import unicodedata

# A window's title, CSI in one character, a line of its own, text turned round, no UTF-8, the end of a page, markup.
HOSTILE = "a\x1b]0;title\x07\x9b31m\ncharrnn-tui: lie\u202eb\u2028\udcff\x7f\f[red][@click=app.quit]c"
SHOWN = "a␛]0;title␇"  # how it begins where it is made visible


def steers(text: str) -> str:
    """The characters of `text`, besides its newlines, that steer a terminal, turn text round or cannot be encoded."""
    return "".join(char for char in text if char != "\n" and _steers(char))


def _steers(char: str) -> bool:
    turns = "\u202a" <= char <= "\u202e" or "\u2066" <= char <= "\u2069"
    return turns or unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp")
