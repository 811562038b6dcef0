"""Keys and clicks that come faster than the screen can follow: fast fingers, double clicks, slow lines."""

from __future__ import annotations

from textual.app import App
from textual.await_complete import AwaitComplete
from textual.events import Event, Key


class HastyInputApp(App[None]):
    """Does what a key is bound to before the next key is looked at: it may decide who gets that one.

    Textual hands a key to the widget with the focus, and those after it too while it is on its way from there to its
    binding: the first letters of a prompt would be typed into another pane, as commands.
    """

    async def on_event(self, event: Event) -> None:
        """Keys that are text for the widget with the focus go there; others to their binding, if they have one."""
        if not (isinstance(event, Key) and not event.is_forwarded and self.app_focus and await self._obey(event)):
            await super().on_event(event)

    async def _obey(self, key: Key) -> bool:
        taker = self.focused
        if taker is not None and key.key in ("pageup", "pagedown") and not taker.scrollable_content_region:
            return True  # a list that was opened just now has no pages yet, and would raise
        if taker is not None and taker.check_consume_key(key.key, key.character):
            return False
        return await self._check_bindings(key.key, priority=True) or await self._check_bindings(key.key)

    def pop_screen(self) -> AwaitComplete:
        """Take the topmost screen away. The palette asks for it at every click beside it, also at the second of two."""
        return super().pop_screen() if len(self.screen_stack) > 1 else AwaitComplete()
