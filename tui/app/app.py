"""The dashboard's app: it takes snapshots and events from the run, and sends it the commands that the keys ask for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from textual.app import SystemCommand
from textual.events import Print
from textual.screen import ModalScreen, Screen

from engine.config import Config, from_mapping
from engine.printable import printable_lines
from engine.runs.files import append
from engine.session.messages import (
    Command,
    Event,
    Link,
    Notice,
    Plateau,
    Saved,
    ScaleLearningRate,
    ShiftSampling,
    View,
)
from tui.app.pace import Pace
from tui.app.switching import MOVING, SECONDS_TO_READ
from tui.app.taking import TakingApp
from tui.app.teaching import TeachingApp
from tui.app.viewer import Viewer
from tui.app.worth_telling import WHEN, plateau, sentence, title
from tui.panes import keys
from tui.panes.pane import CommandRequested, ViewChanged
from tui.rendering.preset_cards import card_of
from tui.screens.dashboard import ABOUT_KEYS, Dashboard, LayoutChosen
from tui.screens.in_thread import in_thread
from tui.screens.inside import InsideScreen
from tui.terminal import driver as terminal

EAGER = 0.025  # seconds between two looks into the mailbox while an answer is awaited
LOOKS_BEFORE_LEAVING = 80  # two seconds, within which a run says whether it has ended


class CharrnnApp(TeachingApp, TakingApp):
    """Shows the run at the other end of `link`.

    `start` begins a new run. `detach` moves the run on the screen into a process of its own. `resume` goes on with the
    run in a directory, which has ended, in this process. Each returns the link to its run or raises `UserError`; if one
    is None, its key is not offered. `fps` limits the redraws per second. With `notifies` the user is called when
    something happens (`worth_telling`). `ready` is called with the dashboard as soon as it is on the screen. `has_list`
    says that a list of runs comes after it: escape leads back there.

    `interrupted` says that a signal or the loss of the terminal ended the app, not a key.
    """

    interrupted = False

    def __init__(
        self,
        link: Link,
        start: Callable[[Config], Link] | None = None,
        *,
        detach: Callable[[], Link] | None = None,
        resume: Callable[[Path], Link] | None = None,
        fps: float = 4.0,
        notifies: bool = False,
        ready: Callable[[Dashboard], object] | None = None,
        has_list: bool = False,
    ) -> None:
        super().__init__(Viewer(link, View(prompt=link.info.prompt)), start, detach, resume)
        self._fps = fps
        self._notifies = notifies
        self._when_ready = ready
        self._has_list = has_list
        self._ending = False

    def run_until_left(self) -> int:
        """Run the app and return its exit code. However it ends, the run is saved."""
        terminal.hold_signals()
        try:
            self.run()
        finally:
            terminal.hold_signals()
            if not self._ending:
                self.viewer.leave(save=True)
        terminal.finish(self)
        return self.return_code or 0

    def get_default_screen(self) -> Screen[None]:
        self.dashboard = Dashboard()
        self.dashboard.arrangement.choose(self.remembered.panes)
        return self.dashboard

    def on_mount(self) -> None:
        self.begin_capture_print(self)
        self.dashboard.begin(self.viewer.link.info, is_remote=self.viewer.link.is_remote)
        if self._when_ready is not None:
            self.call_after_refresh(self._when_ready, self.dashboard)
        self._pace = Pace()
        self._timer = self.set_interval(1 / self._fps, self._poll_if_due)
        self._eager_timer = self.set_interval(EAGER, self._poll)
        terminal.on_signal(self, self.end_at_once)

    def on_print(self, event: Print) -> None:
        """Write printed text, mostly warnings, into a file beside the run instead of onto the screen."""
        if directory := self.viewer.link.info.directory:
            with contextlib.suppress(OSError):  # there is nowhere left to say so
                append(Path(directory, "screen.log"), printable_lines(event.text).encode())

    # --- between the run and the dashboard ---------------------------------------------------

    def send(self, command: Command) -> int:
        """Send a command, and look for the answer soon; returns the command's number."""
        number = self.viewer.send(command)
        self._eager_timer.resume()
        return number

    def on_command_requested(self, message: CommandRequested) -> None:
        message.number = self.send(message.command)

    def on_layout_chosen(self, message: LayoutChosen) -> None:
        self.keep(panes=message.places)

    def on_view_changed(self, message: ViewChanged) -> None:
        self.viewer.change_view(**message.changes)
        self._eager_timer.resume()

    def _poll_if_due(self) -> None:
        if self._pace.allows_a_frame():
            self._poll()

    def _poll(self) -> None:
        if not self.is_running:  # the timer may ring once more while the screens are put away
            return
        if terminal.is_gone(self):
            self.end_at_once()
        if terminal.was_lost(self):
            self.action_paint_again()
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
                terminal.say_title(self, title(self.viewer.link.info.name, snapshot))
                asked = self.viewer.view.moment == self.dashboard.moment and not self.viewer.is_waiting
                self.dashboard.show(snapshot, beneath=beneath, is_answered=asked)
                for screen in self.screen_stack:
                    if isinstance(screen, InsideScreen):
                        screen.show(snapshot, is_answered=not self.viewer.is_waiting)
                if snapshot.state == "stopped" and snapshot.live and self.viewer.link.info.directory:
                    self.look_into_files()
        if not self.viewer.is_waiting:
            self._eager_timer.pause()

    def _announce(self, event: Event) -> None:
        if self._notifies and (text := sentence(self.viewer.link.info.name, event)):
            terminal.call_attention(self, text)
        match event:
            case Plateau() if self._lesson is None:  # which says what to look at
                self.notify(plateau(event), timeout=SECONDS_TO_READ)
            case Notice(text, severity):
                self.notify(text, severity=severity, timeout=SECONDS_TO_READ, markup=False)
            case Saved(path=path, why="asked"):
                self.notify(f"Saved to {path}", markup=False)

    # --- keys ------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        match action:
            case "change_lr":
                return not self.viewer.is_over
            case "warm":
                return self.viewer.latest is None or self.viewer.latest.sampling is not None
            case "back":
                return self._has_list and self.dashboard.moment is None and self._lesson is None
            case "inside":
                return not self.is_changing
            case "new_run":
                return self._start_run is not None and not self.is_changing
            case "go_on":
                return self._resume_run is not None and not self.is_changing and self.viewer.has_ended
            case "detach":
                return self._can_detach
        return super().check_action(action, parameters)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette: what it has everywhere, and what the panes without the focus can do."""
        yield from super().get_system_commands(screen)
        if screen is self.dashboard:
            yield from self.dashboard.commands_of_other_panes()

    def action_change_lr(self, factor: float) -> None:
        self.send(ScaleLearningRate(factor))

    def action_warm(self, by: float) -> None:
        """Add `by` to the temperature of the samples."""
        self.send(ShiftSampling(temperature=by))

    def action_turn_notifying(self) -> None:
        """Call the user from now on when something happens, or not any more."""
        self._notifies = not self._notifies
        self.notify(
            f"The terminal rings, and notifies you of this run, {WHEN}" if self._notifies else "No notifications"
        )

    def action_help(self) -> None:
        from tui.screens.help import HelpScreen

        current = self.dashboard.current
        others = [pane for pane in self.dashboard.panes.values() if pane is not current]
        panes = [(pane.help_text(), pane.BINDINGS) for pane in (current, *others)]
        card = card_of(self.viewer.link.info.config)
        cards = [(card, ())] if card else []
        self.push_screen(HelpScreen([panes[0], *cards, (ABOUT_KEYS, keys.RUN), *panes[1:]]))

    def action_inside(self) -> None:
        """Take a step of the typed prompt apart, or of what is trained next, until the screen with it is closed."""
        screen = InsideScreen(self.dashboard, self.viewer.view.prompt, self.viewer.link.info)
        self.push_screen(screen, lambda _: self.on_view_changed(ViewChanged(inside=None)))

    def action_new_run(self) -> None:
        """Open the form for a new run, filled in with the settings of this one."""
        from tui.screens.new_run import NewRunScreen

        info = self.viewer.link.info
        # Threads and workers are chosen anew: they depend on the network.
        settings = from_mapping(info.config | {"threads": 0, "workers": 0})
        goes_on = self.viewer.link.is_remote or self.viewer.is_over
        before = self.viewer
        form = NewRunScreen(settings, self.begin_run, ends="" if goes_on else info.name)
        self.push_screen(form, lambda _: None if self.viewer is before else self.show_card())

    def show_card(self) -> None:
        """Show the card of the run's preset, if it has one, over the dashboard. The run trains on beneath it."""
        from tui.screens.help import HelpScreen

        if card := card_of(self.viewer.link.info.config):
            self.push_screen(HelpScreen([(card, ())]))

    async def action_quit(self) -> None:
        """Ask what to do with the run, unless it has ended."""
        from tui.screens.dialogs import QuitDialog

        for _ in range(LOOKS_BEFORE_LEAVING):  # before the first snapshot nobody knows whether the run has ended
            if self.viewer.latest is not None:
                break
            await asyncio.sleep(EAGER)
            self._poll()
        if isinstance(self.screen, QuitDialog):
            self.screen.action_choose_first()
        elif self.viewer.is_over:
            self.end(save=False)
        else:
            goes_on = self.viewer.link.is_remote or self._change == MOVING
            self.push_screen(QuitDialog(goes_on=goes_on, can_detach=self._can_detach), self._quit)

    async def action_back(self) -> None:
        """Back to the list: without a question, unless the run would end."""
        if self.viewer.is_over or self.viewer.link.is_remote:
            self.end(save=False, stop=False)
        else:
            await self.action_quit()

    def _quit(self, choice: str | None) -> None:
        match choice:
            case "detach" if self._can_detach:
                self._detach_and_leave()
            case "detach" if not self.viewer.is_over and not self.viewer.link.is_remote:
                self.notify(f"{self._change or 'the run cannot be left running'}; try again in a moment", markup=False)
            case "detach":  # it has ended meanwhile
                self.end(save=False, stop=False)
            case "save" | "discard" | "leave":
                self.end(save=choice == "save", stop=choice != "leave")

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
