"""A text that is being typed: characters, a caret, and the keys that every line editor has."""

from __future__ import annotations

from collections.abc import Callable

LONGEST = 500  # characters; every one of them is a sweep's row for the network to answer


class Prompt:
    """The typed text and the place of the caret in it, 0 … len(text). Moves by code points, as the network reads."""

    def __init__(self) -> None:
        self.text = ""
        self.caret = 0
        self._keys: dict[str, Callable[[], None]] = {
            "left": lambda: self._go(self.caret - 1),
            "right": lambda: self._go(self.caret + 1),
            "home": lambda: self._go(0),
            "ctrl+a": lambda: self._go(0),
            "end": lambda: self._go(len(self.text)),
            "ctrl+e": lambda: self._go(len(self.text)),
            "ctrl+left": lambda: self._go(self._word_start()),
            "ctrl+right": lambda: self._go(self._word_end()),
            "backspace": lambda: self._delete(self.caret - 1, self.caret),
            "delete": lambda: self._delete(self.caret, self.caret + 1),
            "ctrl+d": lambda: self._delete(self.caret, self.caret + 1),
            "ctrl+w": lambda: self._delete(self._word_start(), self.caret),
            "ctrl+u": lambda: self._delete(0, self.caret),
            "ctrl+k": lambda: self._delete(self.caret, len(self.text)),
            "ctrl+j": lambda: self.insert("\n"),
        }

    def replace(self, text: str) -> None:
        """Another text, the caret at its end."""
        self.text = text[:LONGEST]
        self.caret = len(self.text)

    def knows(self, key: str) -> bool:
        """Whether `key` edits or moves."""
        return key in self._keys

    def press(self, key: str) -> None:
        """Do what a key does that `knows` is true for."""
        self._keys[key]()

    def insert(self, text: str) -> None:
        """Type or paste at the caret; what goes beyond the longest prompt is left out."""
        text = text.replace("\r\n", "\n").replace("\r", "\n")[: LONGEST - len(self.text)]
        self.text = self.text[: self.caret] + text + self.text[self.caret :]
        self.caret += len(text)

    def _go(self, caret: int) -> None:
        self.caret = min(max(caret, 0), len(self.text))

    def _delete(self, start: int, end: int) -> None:
        start = max(start, 0)
        self.text = self.text[:start] + self.text[end:]
        self.caret = start

    def _word_start(self) -> int:
        before = self.text[: self.caret].rstrip()
        return len(before) - len(before.split()[-1]) if before else 0

    def _word_end(self) -> int:
        after = self.text[self.caret :]
        word = after.lstrip()
        rest = word.split(maxsplit=1)
        return len(self.text) - len(word) + (len(rest[0]) if rest else 0)
