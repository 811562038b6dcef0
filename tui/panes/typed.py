"""A painted pane with a prompt in it: while that is typed, letters are text and not keys."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from textual.events import Key, Paste

from tui.panes.pane import PaintedPane


class TypedPane(PaintedPane):
    """Subclasses have keys for `type` and `stop_typing`, and say in `edited` and `caret_moved` what typing does."""

    def __init__(self, **options: str | None) -> None:
        super().__init__(**options)
        self.prompt = Prompt()
        self.typing = False
        self._is_own = False  # the text was typed here

    @abstractmethod
    def edited(self) -> None:
        """The prompt has another text."""

    @abstractmethod
    def caret_moved(self) -> None:
        """The caret was moved, or may have been."""

    def empty_prompt(self) -> None:
        """Nothing typed yet."""
        self.prompt.replace("")
        self._is_own = self.typing = False

    def suggest(self, text: str) -> None:
        """A prompt for those who have typed none; it makes room when they do."""
        if not self._is_own and not self.typing:
            self.prompt.replace(text)

    def focus_prompt(self) -> None:
        """Take the focus and let the prompt be typed."""
        self.screen.set_focus(self)
        self.action_type()

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """While typing, letters are text."""
        return self.typing and (self.prompt.knows(key) or (character is not None and character.isprintable()))

    def action_type(self) -> None:
        """Let the prompt be typed, the caret at its end."""
        self.typing = True
        self.prompt.caret = len(self.prompt.text)
        self.caret_moved()
        self.refresh_bindings()

    def action_stop_typing(self) -> None:
        """Letters are keys again."""
        self.typing = False
        self.refresh_bindings()
        self.repaint()

    def on_blur(self) -> None:
        """Without the focus nothing can be typed; but who looks at another window comes back to the prompt."""
        if self.app.app_focus and self.screen.focused is not self:
            self.action_stop_typing()

    def on_key(self, event: Key) -> None:
        """Edit the prompt."""
        if not self.typing:
            return
        before = self.prompt.text
        if self.prompt.knows(event.key):
            self.prompt.press(event.key)
        elif event.character is not None and event.is_printable:
            self._insert(event.character)
        else:
            return
        event.stop()
        event.prevent_default()
        self._compare(before)

    def on_paste(self, event: Paste) -> None:
        """Take a pasted text as it is, line breaks included."""
        if self.typing:
            before = self.prompt.text
            self._insert(event.text)
            event.stop()
            self._compare(before)

    def _insert(self, text: str) -> None:
        if not self._is_own:
            self.prompt.replace("")
        length = len(self.prompt.text)
        self.prompt.insert(text)
        if len(self.prompt.text) - length < len(text) > 1:
            self.notify(f"A prompt has at most {LONGEST} characters: the rest was left out; ctrl+u empties it")

    def _compare(self, before: str) -> None:
        if self.prompt.text == before:
            self.caret_moved()
        else:
            self._is_own = True
            self.edited()


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
