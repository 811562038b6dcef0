"""The base of the apps with a list: one of its runs is opened, and the app ends with what was opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic

from textual.app import ReturnType

from engine.errors import UserError
from tui.app.base_app import BaseApp
from tui.screens.in_thread import in_thread

SECONDS_BETWEEN_LOOKS = 1.0  # at the terminal


class OpeningApp(BaseApp[ReturnType], Generic[ReturnType]):
    """An app that opens a run and leaves with it. If the run cannot be opened, the app stays and says why."""

    _opening = False

    def on_mount(self) -> None:
        self.set_interval(SECONDS_BETWEEN_LOOKS, self.check_terminal)

    def open(self, opening: Callable[[], ReturnType]) -> None:
        """Call `opening` in a thread, unless another run is being opened, and leave with what it returns."""
        if not self._opening:
            self._opening = True
            self.run_worker(self._open(opening))

    async def _open(self, opening: Callable[[], ReturnType]) -> None:
        try:
            opened = await in_thread(opening)
        except UserError as error:
            self.notify(str(error), severity="error")
        else:
            self.exit(opened)
        finally:
            self._opening = False
