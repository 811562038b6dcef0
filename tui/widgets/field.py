"""A line in which a word or two are typed over a screen, with what is wrong with them beside it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Label, Static

from tui.rendering.text import visible_text


class Field(Horizontal):
    """A named line of text. It is hidden until `ask`; enter and escape hide it again, and say so."""

    class Edited(Message):
        """The text has changed."""

        def __init__(self, purpose: str, text: str) -> None:
            self.purpose, self.text = purpose, text
            super().__init__()

    class Left(Message):
        """The user has left it with enter; or with escape, then `text` is None."""

        def __init__(self, purpose: str, text: str | None) -> None:
            self.purpose, self.text = purpose, text
            super().__init__()

    def __init__(self) -> None:
        super().__init__()
        self.purpose = ""
        self._label, self._input, self._note = Label(), Input(compact=True), Static(classes="note")

    def compose(self) -> ComposeResult:
        yield self._label
        yield self._input
        yield self._note

    def on_mount(self) -> None:
        self.display = False

    def ask(self, purpose: str, label: str, text: str) -> None:
        """Let the user change `text`; `purpose` comes back in the messages."""
        self.purpose = purpose
        self._label.update(label)
        self.say("")
        with self.prevent(Input.Changed):
            self._input.value = text
        self.display = True
        self.screen.set_focus(self._input)

    def say(self, problem: str) -> None:
        """Show what is wrong with the text, or nothing."""
        self._note.update(Content(visible_text(problem)))
        self.set_class(bool(problem), "-wrong")

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Edited(self.purpose, event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if not self.has_class("-wrong"):
            self._leave(event.value)

    def key_escape(self) -> None:
        self._leave(None)

    def _leave(self, text: str | None) -> None:
        self.display = False
        self.post_message(self.Left(self.purpose, text))
