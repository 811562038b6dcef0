"""A pane with a prompt: while the user types it, letters are text, not commands."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from textual.events import Key, Paste

from engine.session.messages import LONGEST_PROMPT
from tui.panes.pane import PaintedPane
from tui.terminal.keys import is_text


class TypedPane(PaintedPane):
    """A pane in which a prompt can be typed.

    Subclasses bind keys to the actions `type` and `stop_typing`, and define `edited` and `caret_moved`.
    """

    def __init__(self, **options: str | None) -> None:
        super().__init__(**options)
        self.prompt = Prompt()
        self.typing = False
        self._is_own = False  # the user typed the text

    @abstractmethod
    def edited(self) -> None:
        """The text of the prompt changed."""

    @abstractmethod
    def caret_moved(self) -> None:
        """The caret may have moved."""

    def begin_with(self, text: str = "") -> None:
        """Have the prompt `text`, which was typed before; empty, as if nothing had been typed."""
        self.prompt.replace(text)
        self._is_own, self.typing = bool(text), False

    def suggest(self, text: str) -> None:
        """Show `text` unless the user has typed a prompt. The first typed character replaces it."""
        if not self._is_own and not self.typing:
            self.prompt.replace(text)

    def focus_prompt(self) -> None:
        self.screen.set_focus(self)
        self.action_type()

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Whether a key is text or edits the prompt. Textual asks before it looks for a binding of the key."""
        return self.typing and (self.prompt.knows(key) or is_text(key, character))

    def action_type(self) -> None:
        self.typing = True
        self.prompt.caret = len(self.prompt.text)
        self.caret_moved()
        self.refresh_bindings()

    def action_stop_typing(self) -> None:
        self.typing = False
        self.refresh_bindings()
        self.repaint()

    def on_blur(self) -> None:
        """Stop typing when another widget gets the focus, but not when the whole terminal loses it."""
        if self.app.app_focus and self.screen.focused is not self:
            self.action_stop_typing()

    def on_key(self, event: Key) -> None:
        if not self.typing:
            return
        before = self.prompt.text
        if self.prompt.knows(event.key):
            self.prompt.press(event.key)
        elif event.character is not None and is_text(event.key, event.character):
            self._insert(event.character)
        else:
            return
        event.stop()
        event.prevent_default()
        self._compare(before)

    def on_paste(self, event: Paste) -> None:
        if self.typing:
            before = self.prompt.text
            self._insert(event.text)
            event.stop()
            self._compare(before)

    def _insert(self, text: str) -> None:
        if not self._is_own:
            self.prompt.replace("")
        left_out = self.prompt.insert(text)
        if left_out and len(text) > 1:
            self.notify(f"A prompt has at most {LONGEST_PROMPT} characters: the rest was left out; ctrl+u empties it")

    def _compare(self, before: str) -> None:
        if self.prompt.text == before:
            self.caret_moved()
        else:
            self._is_own = True
            self.edited()


class Prompt:
    """The typed text and the caret, an index from 0 to len(text). Each key moves it by code points, not by letters."""

    def __init__(self) -> None:
        self.text = ""
        self.caret = 0
        self._keys: dict[str, Callable[[], object]] = {
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
        """Set the text, cut to `LONGEST_PROMPT`, and move the caret to its end."""
        self.text = text[:LONGEST_PROMPT]
        self.caret = len(self.text)

    def knows(self, key: str) -> bool:
        """Whether `key` edits the text or moves the caret."""
        return key in self._keys

    def press(self, key: str) -> None:
        """Carry out `key`, for which `knows` must be true."""
        self._keys[key]()

    def insert(self, text: str) -> int:
        """Insert at the caret; text beyond `LONGEST_PROMPT` is left out. Returns how many characters that were."""
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        fitting = text[: LONGEST_PROMPT - len(self.text)]
        self.text = self.text[: self.caret] + fitting + self.text[self.caret :]
        self.caret += len(fitting)
        return len(text) - len(fitting)

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
