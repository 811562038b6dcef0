"""What comes from the run to the dashboard, and what goes from the dashboard to the run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from textual.events import Print
from textual.screen import ModalScreen

from engine.printable import printable_lines
from engine.runs.files import append
from engine.session.messages import Command, Event, Notice, Plateau, Saved
from tui.app.notifications import plateau, sentence, title
from tui.app.pace import Pace
from tui.app.switching import MOVING, SECONDS_TO_READ, SwitchingApp
from tui.panes.pane import CommandRequested, ViewChanged
from tui.screens.in_thread import in_thread
from tui.screens.inside import InsideScreen
from tui.terminal import driver as terminal
from tui.terminal.threads import take_short_turns

EAGER = 0.025  # seconds between two looks into the mailbox while an answer is awaited


class WatchingApp(SwitchingApp):
    """Takes snapshots and events from the run, `_fps` times a second at most, and sends it commands.

    With `_notifies` it calls the user when something happens (`tui.app.notifications`).
    """

    _fps = 4.0
    _notifies = False
    _ending = False

    def run_until_left(self) -> int:
        """Run the app and return its exit code. However it ends, the run is saved."""
        terminal.hold_signals()
        take_short_turns()
        try:
            self.run()
        finally:
            terminal.hold_signals()
            if not self._ending:
                self.viewer.leave(save=True)
        terminal.finish(self)
        return self.return_code or 0

    def on_mount(self) -> None:
        self.begin_capture_print(self)
        self.dashboard.begin(self.viewer.link.info, is_remote=self.viewer.link.is_remote)
        self._pace = Pace()
        self._next_plateau: dict[str, int] = {}  # by run, the step before which no other one is told
        self._timer = self.set_interval(1 / self._fps, self._poll_if_due)
        self._eager_timer = self.set_interval(EAGER, self._poll)

    def on_print(self, event: Print) -> None:
        """Write printed text, mostly warnings, into a file beside the run instead of onto the screen."""
        if directory := self.viewer.link.info.directory:
            with contextlib.suppress(OSError):  # there is nowhere left to say so
                append(Path(directory, "screen.log"), printable_lines(event.text).encode())

    def send(self, command: Command) -> int:
        """Send a command, and look for the answer soon; returns the command's number."""
        number = self.viewer.send(command)
        self._eager_timer.resume()
        return number

    def on_command_requested(self, message: CommandRequested) -> None:
        message.number = self.send(message.command)

    def on_view_changed(self, message: ViewChanged) -> None:
        self.viewer.change_view(**message.changes)
        self._eager_timer.resume()

    def _poll_if_due(self) -> None:
        if self._pace.allows_a_frame():
            self._poll()

    def _poll(self) -> None:
        if not self.is_running:  # the timer may ring once more while the screens are put away
            return
        self.check_terminal()
        if self._change == MOVING:  # the run stands still, and answers nothing
            return
        for event in self.viewer.link.events():
            self.dashboard.hear(event)
            self._announce(event)
        beneath = isinstance(self.screen, ModalScreen)
        if (beneath or self.screen is self.dashboard) and not terminal.is_behind(self):
            snapshot = self.viewer.take()
            if snapshot is not None:
                self._name_run()
                asked = self.viewer.view.moment == self.dashboard.moment and not self.viewer.is_waiting
                self.dashboard.show(snapshot, beneath=beneath, is_answered=asked)
                for screen in self.screen_stack:
                    if isinstance(screen, InsideScreen):
                        screen.show(snapshot, is_answered=not self.viewer.is_waiting)
                if snapshot.state == "stopped" and snapshot.live and self.viewer.link.info.directory:
                    self.look_into_files()
        if self.viewer.latest is not None:  # also without a new snapshot: a title may have come too soon for a terminal
            terminal.say_title(self, title(self.viewer.link.info.name, self.viewer.latest))
        if not self.viewer.is_waiting:
            self._eager_timer.pause()

    def _announce(self, event: Event) -> None:
        name = self.viewer.link.info.name
        if self._notifies and (text := sentence(name, event)):
            terminal.call_attention(self, text)
        match event:
            case Plateau() if not self.is_teaching and event.step >= self._next_plateau.get(name, 0):
                self._next_plateau[name] = 2 * event.step
                self.notify(plateau(event), timeout=SECONDS_TO_READ)
            case Notice(text, severity):
                self.notify(text, severity=severity, timeout=SECONDS_TO_READ)
            case Saved(path=path, why="asked"):
                self.notify(f"Saved to {path}")

    # --- the end ---------------------------------------------------------------------------

    def end_at_once(self) -> None:
        """Save and leave without a question: a signal came, or the terminal was closed."""
        self.interrupted = True
        self.end(save=True, stop=False if self._change == MOVING else None)  # what moves is saved, and may go on

    def end(self, *, save: bool, stop: bool | None = None) -> None:
        """Leave the run, as `Viewer.leave` says, and the program."""
        if not self._ending:
            self._ending = True
            self.ignore_input()
            self._timer.stop()
            self._eager_timer.stop()
            self.run_worker(self._end(partial(self.viewer.leave, save=save, stop=stop)))

    async def _end(self, leave: Callable[[], None]) -> None:
        await in_thread(leave)
        self.exit(return_code=0)
