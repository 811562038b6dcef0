"""The dashboard's app: what its keys do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from textual import work
from textual.app import SystemCommand
from textual.screen import Screen

from engine.config import Config, from_mapping
from engine.session.messages import Link, ScaleLearningRate, ShiftSampling, View
from tui.app.exporting import ExportingApp
from tui.app.notifications import WHEN
from tui.app.switching import MOVING
from tui.app.teaching import TeachingApp
from tui.app.viewer import Viewer
from tui.app.watching import EAGER, WatchingApp
from tui.panes import keys
from tui.panes.pane import ViewChanged
from tui.rendering.preset_cards import card_of
from tui.screens.dashboard import Dashboard
from tui.screens.inside import InsideScreen
from tui.screens.layout import LayoutChosen

LOOKS_BEFORE_LEAVING = 80  # two seconds, within which a run says whether it has ended


class CharrnnApp(TeachingApp, ExportingApp, WatchingApp):
    """Shows the run at the other end of `link`.

    `start` begins a new run. `detach` moves the run on the screen into a process of its own. `resume` goes on with the
    run in a directory, which has ended, in this process. Each returns the link to its run or raises `UserError`; if one
    is None, its key is not offered. `fps` limits the redraws per second. With `notifies` the user is called when
    something happens (`tui.app.notifications`). `ready` is called with the dashboard as soon as it is on the screen.
    `has_list` says that a list of runs comes after it: escape leads back there.
    """

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
        self._fps, self._notifies = fps, notifies
        self._when_ready = ready
        self._has_list = has_list

    def get_default_screen(self) -> Screen[None]:
        self.dashboard = Dashboard()
        self.dashboard.arrangement.choose(self.remembered.panes)
        return self.dashboard

    def on_mount(self) -> None:
        if self._when_ready is not None:
            self.call_after_refresh(self._when_ready, self.dashboard)

    def on_layout_chosen(self, message: LayoutChosen) -> None:
        self.keep(panes=message.places)

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
        from tui.screens.help import ABOUT_KEYS, HelpScreen

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
            dialog = QuitDialog(goes_on=goes_on, can_detach=self._can_detach, to_list=self._has_list)
            self.push_screen(dialog, self._quit)

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
                self.notify(f"{self._change or 'the run cannot be left running'}; try again in a moment")
            case "detach":  # it has ended meanwhile
                self.end(save=False, stop=False)
            case "save" | "discard" | "leave":
                self.end(save=choice == "save", stop=choice != "leave")

    @work
    async def _detach_and_leave(self) -> None:
        if await self._hand_over():
            self.end(save=False)
