"""The base of the dashboard's app and of the list of runs: terminal, themes, command palette, keys to leave."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Generic

from rich.console import Console
from textual.app import App, ReturnType, SystemCommand
from textual.binding import BindingType
from textual.screen import Screen

from engine.printable import printable
from tui.app.memory import Remembered, recall, remember
from tui.app.themes import DARK, LIGHT
from tui.panes import keys
from tui.terminal import driver as terminal
from tui.terminal.environment import has_clipboard
from tui.terminal.hasty_input import HastyInputApp
from tui.terminal.repaint import RepaintingApp

MOST_NOTICES, NOTICE_SECONDS = 5, 5.0  # so many in so many seconds: a small screen has no room for more


class BaseApp(HastyInputApp[ReturnType], RepaintingApp[ReturnType], Generic[ReturnType]):
    """An app on a terminal that may be slow or disappear, or be told to end. Its palette offers what the keys do."""

    TITLE = "charrnn-tui"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [*keys.PROGRAM]

    memory: Path | None = None  # the file in which the screen is remembered; None: it is not
    remembered = Remembered()
    interrupted = False  # a signal or the loss of the terminal ended the app, not a key
    _memory_is_bad = ""  # why the file cannot be read or written

    def __init__(self) -> None:
        super().__init__(driver_class=terminal.Driver)
        self._noticed: deque[float] = deque(maxlen=MOST_NOTICES)  # when the last notices were shown
        # A traceback goes through standard error, which shows escape sequences: colours too would be shown.
        self.error_console = Console(markup=False, highlight=False, stderr=True, color_system=None)
        for theme in (DARK, LIGHT):
            self.register_theme(theme)
        self.begin_with_theme(DARK.name)

    def begin_with_theme(self, name: str) -> None:
        """Have this theme from the first frame on. To set `theme` would paint that a second time in other colours."""
        if name in self.available_themes:
            self.set_reactive(App.theme, name)
            self.stylesheet.set_variables(self.get_css_variables())

    def use_memory(self, path: Path | None, theme: str = "") -> None:
        """Begin as `path` says, and keep there what the user changes; `theme`, if given, goes before. Before `run`."""
        self.memory = path
        if path is not None:
            self.remembered, self._memory_is_bad = recall(path)
            self.begin_with_theme(self.remembered.theme)
        self.begin_with_theme(theme)

    def on_mount(self) -> None:
        terminal.on_signal(self, self.end_at_once)
        if self._memory_is_bad:
            self.notify(self._memory_is_bad, severity="warning")
        self.watch(self, "theme", lambda theme: self.keep(theme=theme), init=False)

    def end_at_once(self) -> None:
        """Leave without a question: a signal came, or the terminal was closed."""
        self.interrupted = True
        self.exit()

    def check_terminal(self) -> None:
        """Leave if the terminal has been closed; paint again what it did not accept. To be called now and then."""
        if terminal.is_gone(self):
            self.end_at_once()
        if terminal.was_lost(self):
            self.action_paint_again()

    def keep(self, **changes: Any) -> None:
        """Keep fields of `Remembered` for the next start; where that cannot be, it is said once."""
        problem = remember(self.memory, **changes) if self.memory is not None else ""
        if problem and not self._memory_is_bad:
            self._memory_is_bad = problem
            self.notify(problem, severity="warning")

    def notify(self, message: str, **options: Any) -> None:
        """Show a notice, unless there were many just now: a run that says thousands would take the keys their time.

        Names and paths in it can hold escape sequences and brackets: it has no markup.
        """
        now = time.monotonic()
        if len(self._noticed) == MOST_NOTICES and now - self._noticed[0] < NOTICE_SECONDS:
            return
        self._noticed.append(now)
        super().notify(printable(message), **{**options, "markup": False})

    def copy_to_clipboard(self, text: str) -> None:
        """Copy `text` (OSC 52), and say so, unless the terminal has no clipboard."""
        if not has_clipboard():
            self.notify("This terminal (TERM=dumb) has no clipboard", severity="warning")
            return
        super().copy_to_clipboard(text)
        self.notify(f"Copied {len(text):,} characters", timeout=2)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette: a command for each key that does something on `screen` now, and two that have no key."""
        for active in screen.active_bindings.values():
            binding = active.binding
            if binding.tooltip and active.enabled and not binding.system:
                action = partial(self.run_action, binding.action, active.node)
                yield SystemCommand(binding.tooltip, f"Key: {self.get_key_display(binding)}", action)
        for theme, words in ((LIGHT, "Light theme"), (DARK, "Dark theme")):
            yield SystemCommand(words, "For this screen", partial(setattr, self, "theme", theme.name))
        yield SystemCommand("Change the theme", "Dark, light, and others", self.action_change_theme)
        yield SystemCommand(
            "Take a screenshot",
            "Write the screen to a file as SVG",
            lambda: self.set_timer(0.1, self.deliver_screenshot),  # by then the palette is gone from the screen
        )
