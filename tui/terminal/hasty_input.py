"""Handles keys and clicks that come faster than the screen follows: fast typing, double clicks, slow connections."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from typing import Generic, TypeVar
from weakref import WeakSet

from rich.console import RenderableType
from textual import work
from textual.app import App, ReturnType, ScreenStackError
from textual.await_complete import AwaitComplete
from textual.command import CommandPalette
from textual.css.query import NoMatches
from textual.dom import NoScreen
from textual.driver import Driver
from textual.errors import NoWidget
from textual.events import Event, InputEvent, Key, Paste
from textual.screen import ModalScreen, Screen
from textual.theme import ThemeProvider
from textual.widgets import Input, OptionList

from tui.terminal.keys import is_text

Result = TypeVar("Result")


class OverScreen(ModalScreen[Result], Generic[Result]):
    """A screen over another that closes itself, and never another.

    Textual's `dismiss` closes whatever is on top: a second click, or an answer that was long in coming, would close
    what was opened since. Here it is without effect the second time, and it waits while another screen lies above.
    """

    _close_later: Callable[[], object] | None = None

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        """Close this screen and return `result` to the caller of `push_screen`; if it is covered, do so later."""
        if self.is_active:
            return super().dismiss(result)
        self._close_later = partial(self.dismiss, result)
        return AwaitComplete()

    def on_screen_resume(self) -> None:
        """Close now if that was asked for while another screen lay above."""
        if self._close_later is not None:
            self._close_later()


class Palette(CommandPalette, OverScreen[None]):
    """Textual's command palette, which may be closed while it still gathers commands or has no room for them."""

    async def _watch__show_busy(self) -> None:
        with suppress(NoMatches):  # its parts are gone, and Textual would end the program
            await super()._watch__show_busy()

    @work(exclusive=True, group=CommandPalette._GATHER_COMMANDS_GROUP)
    async def _gather_commands(self, search_value: str) -> None:
        with suppress(NoMatches):
            await CommandPalette._gather_commands.__wrapped__(self, search_value)  # type: ignore[attr-defined]

    def _action_command_list(self, action: str) -> None:
        with suppress(LookupError):  # its list has no line yet
            super()._action_command_list(action)


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
        self._waiting.clear()

    def exit(
        self, result: ReturnType | None = None, return_code: int = 0, message: RenderableType | None = None
    ) -> None:
        self.ignore_input()
        super().exit(result, return_code, message)

    def _handle_exception(self, error: Exception) -> None:
        """End with a traceback, unless a part of the screen is missed while the app ends and puts its screens away."""
        if not (self._ignores_input and isinstance(error, NoMatches | NoScreen | NoWidget | ScreenStackError)):
            super()._handle_exception(error)

    async def on_event(self, event: Event) -> None:
        """Carry out a key, a click or a paste, once the screen that it is meant for is drawn."""
        if not isinstance(event, InputEvent | Paste):
            await super().on_event(event)
        elif self._ignores_input or not self.screen_stack:
            return  # the app ends
        elif event.is_forwarded:  # it comes back from a widget that had no use for it
            await super().on_event(event)
        else:
            self._waiting.append(event)
            await self._carry_out()

    async def _carry_out(self) -> None:
        """Carry out what waits, as long as the screen on top is drawn and the app does not end."""
        while self._waiting and self.screen_stack and self.screen in self._drawn:
            await self._carry_out_one(self._waiting.popleft())
        if self._waiting and self.screen_stack:  # else: the app ends
            self.screen.call_after_refresh(self._note_drawn, self.screen)

    def _note_drawn(self, screen: Screen[object]) -> None:
        self._drawn.add(screen)
        self.call_later(self._carry_out)

    async def _carry_out_one(self, event: Event) -> None:
        """Run the binding of a key now. A key that is text for the focused widget goes to it, as in Textual."""
        if isinstance(event, Key | Paste) and isinstance(self.focused, Input):
            event = _as_field_takes_it(event)
        if isinstance(event, Key) and self.app_focus and await self._obey(event):
            return
        await super().on_event(event)

    async def _obey(self, key: Key) -> bool:
        focused = self.focused
        if focused is not None and focused.check_consume_key(key.key, key.character):
            return False
        with suppress(LookupError) if isinstance(focused, OptionList) else nullcontext():  # it has no line yet
            return await self._check_bindings(key.key, priority=True) or await self._check_bindings(key.key)
        return True

    def pop_screen(self) -> AwaitComplete:
        """Close the topmost screen, but never the last: a double click beside the palette asks twice."""
        self.call_later(self._carry_out)  # what waited for that screen
        return super().pop_screen() if len(self.screen_stack) > 1 else AwaitComplete()

    def action_command_palette(self) -> None:
        """Open the command palette, unless it is open."""
        if not isinstance(self.screen, Palette):
            self.push_screen(Palette())  # without an id: one that was closed just now may still be there

    def search_themes(self) -> None:
        """Open a palette of the themes."""
        self.push_screen(Palette(providers=[ThemeProvider], placeholder="Search for themes…"))


def _as_field_takes_it(event: Key | Paste) -> Key | Paste:
    """A key or a paste as one of Textual's fields takes it, which writes just what Python calls printable.

    So text that is not (spaces of other scripts, joiners) comes as a paste, and alt with a letter without a character.
    A field would show the control characters of a paste as they are: they are left out, but for the ends of lines.
    """
    if isinstance(event, Paste):
        return Paste("".join(char for char in event.text if char in "\r\n" or is_text("", char)))
    if is_text(event.key, event.character) == event.is_printable:
        return event
    return Key(event.key, None) if event.is_printable else Paste(event.character or "")
