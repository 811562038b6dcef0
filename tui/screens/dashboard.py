"""The screen of a run: what it says of itself, the panes, and the keys that steer it."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from engine.session.messages import ALIVE, Command, Event, Pause, Resume, RollBack, RunInfo, Save, Snapshot, StepOnce
from tui.panes import keys
from tui.panes.pane import CommandRequested, ViewChanged
from tui.screens.moments import MomentsScreen
from tui.widgets.banner import Banner
from tui.widgets.header import HeaderLine
from tui.widgets.keybar import KeyBar
from tui.widgets.status import StatusLine


def _bindings_need(snapshot: Snapshot) -> tuple[object, ...]:
    """What the keys that do something depend on."""
    return snapshot.state, snapshot.live, snapshot.moments, snapshot.sampling is None


class Dashboard(MomentsScreen):
    """Header, status, panes and keys. It asks for commands by message; the app sends them.

    The keys of the learning rate and the temperature are actions of the app itself.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*keys.RUN]
    AUTO_FOCUS = ""

    def __init__(self) -> None:
        super().__init__()
        self._header, self._status, self._banner = HeaderLine(), StatusLine(), Banner()
        self._latest: Snapshot | None = None

    def compose(self) -> ComposeResult:
        yield self._header
        yield self._status
        yield self._banner
        yield from super().compose()
        yield KeyBar()

    # --- called by the app -----------------------------------------------------------------

    def begin(self, info: RunInfo, *, is_remote: bool) -> None:
        """Show another run; `is_remote` says that another process trains it."""
        self._latest = None
        self.moment, self._beside_now = None, False
        self._header.begin(info, is_remote=is_remote)
        self._header.look_at(None)
        self._header.say("starting")
        self._status.begin()
        self._banner.begin()
        for pane in self.all_panes():
            pane.moment, pane.is_awaiting = None, False
            pane.begin(info)

    def rename(self, info: RunInfo, *, is_remote: bool) -> None:
        """Show that another process has the run from now on."""
        self._header.begin(info, is_remote=is_remote)
        for pane in self.all_panes():
            pane.forget_requests()
        self.refresh_bindings()

    def say_state(self, word: str) -> None:
        """Show `word` as the run's state, until the next snapshot."""
        self._header.say(word)

    def show_again(self) -> None:
        """Show the state of the last snapshot."""
        if self._latest is not None:
            self._header.show(self._latest)

    def hear(self, event: Event) -> None:
        """Pass an event to the banner and to every pane, visible or not."""
        self._banner.hear(event)
        for pane in self.all_panes():
            pane.hear(event)

    def show(self, snapshot: Snapshot, *, beneath: bool = False, is_answered: bool = False) -> None:
        """Draw the newest snapshot: in the visible panes too, unless a dialog lies over them (`beneath`).

        `is_answered` says that it is no older than the last question. Answers of another moment than the one that is
        asked for are not shown; if that one cannot be shown any more, the dashboard goes back to now.
        """
        snapshot = self._of_this_moment(snapshot, is_answered)
        before, self._latest = self._latest, snapshot
        self._header.show(snapshot)
        self._status.show(snapshot)
        self._banner.show(snapshot)
        for pane in () if beneath else self._shown():
            pane.show(snapshot)
            if pane.is_awaiting and any(getattr(snapshot, name) is not None for name in pane.ANSWERS):
                pane.answered()
        if before is None or _bindings_need(before) != _bindings_need(snapshot):
            self.refresh_bindings()

    def on_view_changed(self, message: ViewChanged) -> None:
        """Tell the panes what one of them has changed; the app asks the run."""
        for pane in self.all_panes():
            pane.take_over(message.changes)

    def on_screen_resume(self) -> None:
        """After a dialog, show what the panes missed beneath it. The next snapshot may be long in coming."""
        self.panes_appeared()

    def panes_appeared(self) -> None:
        if self._latest is not None:
            self.show(self._latest)

    # --- keys ------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        state = self._latest.state if self._latest else "starting"
        over = self._latest is not None and self._latest.is_over
        match action:
            case "pause":
                return state in ("starting", "training") and not over
            case "resume":
                return state == "paused" and not over
            case "roll_back":
                return state == "diverged" and not over
            case "step_once":
                return state in ALIVE and not over
            case "save":
                return not over
        return super().check_action(action, parameters)

    def _ask(self, command: Command) -> None:
        self.post_message(CommandRequested(command))

    def action_pause(self) -> None:
        self._ask(Pause())

    def action_resume(self) -> None:
        self._ask(Resume())

    def action_step_once(self) -> None:
        self._ask(StepOnce())

    def action_save(self) -> None:
        self._ask(Save())

    def action_roll_back(self) -> None:
        """Go back to the last good weights, with half the learning rate."""
        self._ask(RollBack())
