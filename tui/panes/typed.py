"""A painted pane with a prompt in it: while that is typed, letters are text and not keys."""

from __future__ import annotations

from abc import abstractmethod

from textual.events import Key, Paste

from tui.panes.painted import PaintedPane
from tui.panes.prompt import LONGEST, Prompt


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
