"""Text of the brackets language, in one piece."""

from __future__ import annotations

from engine.text import brackets


def brackets_text(length: int, seed: int = 0) -> str:
    """`length` characters of the language, beginning at depth 0 with a token."""
    return "".join(brackets.blocks(length, seed))
