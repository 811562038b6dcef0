"""One time step taken apart, over the dashboard."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from engine.session.messages import RunInfo, Snapshot
from tui.panes import keys
from tui.panes.inside import InsidePane
from tui.screens.dashboard import Dashboard
from tui.terminal.hasty_input import OverScreen
from tui.terminal.selection import SelectsLines
from tui.widgets.keybar import KeyBar

OF_THE_RUN = ("pause", "resume", "step_once")  # actions that are the dashboard's


class InsideScreen(SelectsLines, OverScreen[None]):
    """A full screen for a step of `prompt`, or of what the run of `info` trains next.

    The keys that steer the run do what they do on the `dashboard`, which lies beneath.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*keys.INSIDE_RUN]

    def __init__(self, dashboard: Dashboard, prompt: str, info: RunInfo) -> None:
        super().__init__()
        self._dashboard = dashboard
        self.pane = InsidePane(prompt, info)
        self.pane.moment = dashboard.moment
        self._state: object = None

    def compose(self) -> ComposeResult:
        yield self.pane
        yield KeyBar()

    def show(self, snapshot: Snapshot, *, is_answered: bool) -> None:
        """Draw the newest snapshot; `is_answered` says that it is no older than the last question."""
        self.pane.show(snapshot, is_answered=is_answered)
        source = snapshot.inside and snapshot.inside.source
        if self._state != (snapshot.state, snapshot.live, source):
            self._state = (snapshot.state, snapshot.live, source)
            self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._dashboard.check_action(action, parameters) if action in OF_THE_RUN else True

    def action_pause(self) -> None:
        self._dashboard.action_pause()

    def action_resume(self) -> None:
        self._dashboard.action_resume()

    def action_step_once(self) -> None:
        self._dashboard.action_step_once()

    def action_help(self) -> None:
        from tui.screens.help import HelpScreen

        self.app.push_screen(HelpScreen([(self.pane.HELP, self.pane.BINDINGS), ("## Keys of the run", self.BINDINGS)]))
