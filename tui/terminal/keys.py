"""Which keys are text and which are commands."""

from __future__ import annotations

import unicodedata

MODIFIERS = frozenset(("alt", "ctrl", "super", "hyper", "meta"))


def is_text(key: str, character: str | None) -> bool:
    """Whether the key named `key` writes `character`.

    Every character is text but controls (and halves of a pair, which are none): spaces of any script, joiners, soft
    hyphens, marks, and code points without a meaning yet, too. With alt, ctrl or the like it is a command.
    """
    if character is None or len(character) != 1 or unicodedata.category(character) in ("Cc", "Cs"):
        return False
    return MODIFIERS.isdisjoint(key.split("+")[:-1])
