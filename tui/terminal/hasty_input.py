"""Handles keys and clicks that come faster than the screen follows: fast typing, double clicks, slow connections."""

from __future__ import annotations

from contextlib import suppress
from typing import Generic

from textual.app import App, ReturnType
from textual.await_complete import AwaitComplete
from textual.command import CommandPalette
from textual.css.query import NoMatches
from textual.events import Event, Key


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
    """

    async def on_event(self, event: Event) -> None:
        """Run the binding of a key now. A key that is text for the focused widget goes to it, as in Textual."""
        if not (isinstance(event, Key) and not event.is_forwarded and self.app_focus and await self._obey(event)):
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
        return super().pop_screen() if len(self.screen_stack) > 1 else AwaitComplete()

    def action_command_palette(self) -> None:
        """Open the command palette, unless it is open."""
        if not isinstance(self.screen, Palette):
            self.push_screen(Palette(id="--command-palette"))
