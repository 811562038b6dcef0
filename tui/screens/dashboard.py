"""The screen of a run: five panes side by side where they fit, one at a time with tabs where they do not."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import DescendantFocus, Resize

from engine.session.messages import (
    ALIVE,
    Command,
    Event,
    Pause,
    Resume,
    RollBack,
    RunInfo,
    Save,
    Snapshot,
    StepOnce,
)
from tui.panes.cells import CellsPane
from tui.panes.connectivity import ConnectivityPane
from tui.panes.contexts import ContextsPane
from tui.panes.gates import GatesPane
from tui.panes.gradients import GradientsPane
from tui.panes.loss import LossPane
from tui.panes.pane import CommandRequested, Pane, ViewChanged
from tui.panes.portrait import PortraitPane
from tui.panes.samples import SamplesPane
from tui.panes.spectrum import SpectrumPane
from tui.panes.where import WherePane
from tui.screens.moments import MOMENT_KEYS, MomentsScreen
from tui.widgets.banner import Banner
from tui.widgets.header import HeaderLine
from tui.widgets.keybar import KeyBar
from tui.widgets.status import StatusLine
from tui.widgets.tabs import PaneTab, PaneTabs

ROOM_FOR_ALL = (110, 32)  # columns and rows; on less, five panes at once are not legible
TITLES = {
    "loss": "Loss",
    "samples": "Samples",
    "gradients": "Gradients",
    "connectivity": "Connectivity",
    "cells": "Cells",
}
# The panes that take turns in each place: the first one is there at the beginning, `v` brings the next view.
PLACES: dict[str, tuple[type[Pane], ...]] = {
    "loss": (LossPane, WherePane),
    "samples": (SamplesPane,),
    "gradients": (GradientsPane, SpectrumPane),
    "connectivity": (ConnectivityPane,),
    "cells": (CellsPane, ContextsPane, GatesPane, PortraitPane),
}
LEFT, RIGHT = ("loss", "gradients"), ("samples", "connectivity", "cells")

ABOUT_KEYS = """\
# Keys

These keys work in every pane, except while you type. `ctrl+p` finds any key by its name. `ctrl+z` returns
to the shell, and `fg` comes back. `ctrl+l` paints the screen again.

**One clock**: `(` and `)` take all panes to an earlier *moment* of the run, a step whose weights are kept; all that
they show is then computed with those weights. The header says which step it is. `m` lays now over it, where a pane can;
`end` and `esc` go back to now. The training goes on meanwhile, and does not notice.
"""

KEYS = (
    Binding("space", "pause", "pause", tooltip="Pause the training", id="run.pause"),
    Binding("space", "resume", "resume", tooltip="Resume the training", id="run.resume"),
    Binding("b", "roll_back", "go back", tooltip="Go back to the last good weights", id="run.roll-back"),
    Binding("g", "app.go_on", "go on", tooltip="Go on with this run, which has ended", id="run.go-on"),
    Binding("full_stop", "step_once", "step", tooltip="Make one step, then pause", id="run.step"),
    Binding("p", "prompt", "prompt", tooltip="Type a prompt", id="prompt.focus"),
    Binding("i", "app.inside", "inside", tooltip="Take one time step apart, forward and back", id="step.inside"),
    Binding("v", "turn_view", "view", tooltip="The next view of this pane", id="pane.view"),
    *MOMENT_KEYS,
    Binding("d", "app.detach", "detach", tooltip="Let the run go on without this screen", id="run.detach"),
    Binding("n", "app.new_run", "new", tooltip="Start a new run", id="run.new"),
    Binding("s", "save", "save", tooltip="Save the weights now", id="run.save"),
    Binding("left_square_bracket", "app.change_lr(0.8)", "lr", tooltip="Lower the learning rate", id="lr.down"),
    Binding("right_square_bracket", "app.change_lr(1.25)", "lr", tooltip="Raise the learning rate", id="lr.up"),
    Binding("z", "zoom", "zoom", tooltip="Show one pane, or all of them", id="pane.zoom"),
    Binding("left_curly_bracket", "app.warm(-0.1)", "temp", tooltip="Lower the temperature", id="temp.down"),
    Binding("right_curly_bracket", "app.warm(0.1)", "temp", tooltip="Raise the temperature", id="temp.up"),
    Binding("question_mark", "app.help", "help", tooltip="Help: keys, and how to read each pane", id="app.help"),
    Binding("q", "app.quit", "quit", tooltip="Leave the program", id="app.quit"),
    Binding("N", "app.turn_notifying", "notify", show=False, tooltip="Notify me, or not any more", id="app.notify"),
    Binding("tab", "turn(1)", "next pane", show=False, tooltip="Go to the next pane", id="pane.next"),
    Binding("shift+tab", "turn(-1)", "pane before", show=False, tooltip="Go to the pane before", id="pane.before"),
    *(
        Binding(str(number), f"show_pane('{pane}')", title, show=False, tooltip=f"Go to {title}", id=f"pane.{pane}")
        for number, (pane, title) in enumerate(TITLES.items(), start=1)
    ),
)


def _bindings_need(snapshot: Snapshot) -> tuple[object, ...]:
    """What the keys that do something depend on."""
    return snapshot.state, snapshot.live, snapshot.moments, snapshot.sampling is None


class Dashboard(MomentsScreen):
    """Header, status, panes and keys. It asks for commands by message; the app sends them.

    The keys of the learning rate and the temperature are actions of the app itself.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*KEYS]
    AUTO_FOCUS = ""

    def __init__(self) -> None:
        super().__init__()
        self._views = {place: [pane() for pane in panes] for place, panes in PLACES.items()}
        for panes in self._views.values():
            for pane in panes:
                pane.views_here = tuple(view for other in panes for view in other.VIEWS)
        self.panes = {place: panes[0] for place, panes in self._views.items()}  # the one that has its turn
        self._header, self._status, self._banner = HeaderLine(), StatusLine(), Banner()
        self._tabs = PaneTabs(TITLES)
        self._latest: Snapshot | None = None
        self._current = "loss"
        self._zoomed = False
        self._narrow = False
        self._visible: tuple[str, ...] | None = None

    def compose(self) -> ComposeResult:
        yield self._header
        yield self._status
        yield self._banner
        yield self._tabs
        with Horizontal(id="body"):
            for side, places in (("left", LEFT), ("right", RIGHT)):
                with Vertical(id=side):
                    for place in places:
                        yield from self._views[place]
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

    @property
    def visible_instruments(self) -> tuple[str, ...]:
        """The instruments that are on the screen."""
        return tuple(pane.INSTRUMENT for pane in self._shown() if pane.INSTRUMENT)

    @property
    def current(self) -> Pane:
        """The pane with the focus, or the last one that had it."""
        return self.panes[self._current]

    def on_view_changed(self, message: ViewChanged) -> None:
        """Tell the panes what one of them has changed; the app asks the run."""
        for pane in self.all_panes():
            pane.take_over(message.changes)

    # --- layout ----------------------------------------------------------------------------

    def _shown(self) -> list[Pane]:
        return [pane for pane in self.panes.values() if pane.display]

    def all_panes(self) -> Iterator[Pane]:
        """Every pane, whether it has its turn or not."""
        return itertools.chain.from_iterable(self._views.values())

    def on_screen_resume(self) -> None:
        """After a dialog, show what the panes missed beneath it. The next snapshot may be long in coming."""
        self._show_latest()

    def _show_latest(self) -> None:
        if self._latest is not None:
            self.show(self._latest)

    def on_resize(self, event: Resize) -> None:
        columns, rows = ROOM_FOR_ALL
        self._narrow = event.size.width < columns or event.size.height < rows
        self._arrange()

    def _arrange(self) -> None:
        single = self._narrow or self._zoomed
        for place, panes in self._views.items():
            for pane in panes:
                pane.display = pane is self.panes[place] and (not single or place == self._current)
        for column in self.query("#body > Vertical"):
            column.display = any(pane.display for pane in column.query(Pane))
        self._tabs.display = single
        self._tabs.mark(self._current)
        self.set_class(single, "-single")
        if self.visible_instruments != self._visible:
            self._visible = self.visible_instruments
            self.post_message(ViewChanged(visible=self._visible))
            self.call_after_refresh(self._show_latest)
        if not self.current.has_focus_within:
            self.set_focus(self.current)  # at once: `focus` would act after keys that are already waiting
        self.refresh_bindings()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        for node in event.widget.ancestors_with_self:
            for place, pane in self.panes.items():
                if node is pane:
                    self._current = place
        self._tabs.mark(self._current)

    def on_pane_tab_chosen(self, message: PaneTab.Chosen) -> None:
        self.action_show_pane(message.pane)

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
            case "turn_view":
                return len(self.current.views_here) > 1
            case "zoom":
                return not self._narrow
            case "step_once":
                return state in ALIVE and not over
            case "save":
                return not over
            case "walk" | "now" | "beside_now" | "mark":
                return self._leads_somewhere(action, parameters)
        return True

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

    def action_prompt(self) -> None:
        self.action_show_pane("connectivity")
        self.query_one(ConnectivityPane).focus_prompt()

    def action_show_pane(self, pane: str) -> None:
        self._current = pane
        self._arrange()

    def action_turn(self, by: int) -> None:
        """Go `by` panes further."""
        names = list(TITLES)
        self.action_show_pane(names[(names.index(self._current) + by) % len(names)])

    def action_turn_view(self) -> None:
        """Show the next view of the current pane's place, in that pane or in the next one."""
        names = self.current.views_here
        view = names[(names.index(self.current.view) + 1) % len(names)]
        pane = next(pane for pane in self._views[self._current] if view in pane.VIEWS)
        pane.choose_view(view)
        self.panes[self._current] = pane
        self._arrange()

    def action_zoom(self) -> None:
        self._zoomed = not self._zoomed
        self._arrange()
