"""Handles keys and clicks that come faster than the screen follows: fast typing, double clicks, slow connections."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import Generic
from weakref import WeakSet

from textual.app import App, ReturnType
from textual.await_complete import AwaitComplete
from textual.command import CommandPalette
from textual.css.query import NoMatches
from textual.driver import Driver
from textual.events import Event, InputEvent, Key, Paste
from textual.screen import Screen
from textual.widgets import Input

from tui.terminal.keys import is_text


class Palette(CommandPalette):
    """Textual's command palette, which may be closed while it still gathers commands."""

    async def _watch__show_busy(self) -> None:
        with suppress(NoMatches):  # its parts are gone, and Textual would end the program
            await super()._watch__show_busy()


class HastyInputApp(App[ReturnType], Generic[ReturnType]):
    """An app that carries out each key before it looks at the next, because a key may move the focus.

    Textual sends a key to the focused widget, and the key's binding runs only when the message comes back from there.
    Keys typed meanwhile go to the same widget: after `p`, which opens the prompt, the first letters of the prompt
    would reach another pane and act as its commands.

    What is typed or clicked before a screen is drawn waits until it is: until then the screen's widgets are missing.
    """

    def __init__(self, driver_class: type[Driver] | None = None) -> None:
        super().__init__(driver_class=driver_class)
        self._drawn: WeakSet[Screen[object]] = WeakSet()
        self._waiting: deque[Event] = deque()
        self._ignores_input = False

    def ignore_input(self) -> None:
        """From now on let no key and no click act, because the app ends."""
        self._ignores_input = True

    async def on_event(self, event: Event) -> None:
        """Carry out a key, a click or a paste, once the screen that it is meant for is drawn."""
        if not isinstance(event, InputEvent | Paste) or event.is_forwarded:
            await super().on_event(event)
        elif not self._ignores_input:
            self._waiting.append(event)
            await self._carry_out()

    async def _carry_out(self) -> None:
        """Carry out what waits, as long as the screen on top is drawn."""
        while self._waiting and self.screen in self._drawn:
            await self._carry_out_one(self._waiting.popleft())
        if self._waiting:
            self.screen.call_after_refresh(self._note_drawn, self.screen)

    def _note_drawn(self, screen: Screen[object]) -> None:
        self._drawn.add(screen)
        self.call_later(self._carry_out)

    async def _carry_out_one(self, event: Event) -> None:
        """Run the binding of a key now. A key that is text for the focused widget goes to it, as in Textual."""
        if isinstance(event, Key):
            if isinstance(self.focused, Input):
                event = _as_field_takes_it(event)
            if isinstance(event, Key) and self.app_focus and await self._obey(event):
                return
        await super().on_event(event)

    async def _obey(self, key: Key) -> bool:
        focused = self.focused
        if focused is not None and key.key in ("pageup", "pagedown") and not focused.scrollable_content_region:
            return True  # a list that was opened just now has no pages yet: Textual would raise
        if focused is not None and focused.check_consume_key(key.key, key.character):
            return False
        return await self._check_bindings(key.key, priority=True) or await self._check_bindings(key.key)

    def pop_screen(self) -> AwaitComplete:
        """Close the topmost screen, but never the last: a double click beside the palette asks twice."""
        self.call_later(self._carry_out)  # what waited for that screen
        return super().pop_screen() if len(self.screen_stack) > 1 else AwaitComplete()

    def action_command_palette(self) -> None:
        """Open the command palette, unless it is open."""
        if not isinstance(self.screen, Palette):
            self.push_screen(Palette(id="--command-palette"))


def _as_field_takes_it(key: Key) -> Key | Paste:
    """A key as one of Textual's fields takes it, which writes just what Python calls printable.

    So text that is not (spaces of other scripts, joiners) comes as a paste, and alt with a letter without a character.
    """
    if is_text(key.key, key.character) == key.is_printable:
        return key
    return Key(key.key, None) if key.is_printable else Paste(key.character or "")
