"""The screen of a run: five panes side by side where they fit, two or one with tabs where they do not."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from typing import ClassVar

from textual.app import ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import DescendantFocus, Resize
from textual.geometry import Size
from textual.message import Message

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
from tui.panes import keys
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
from tui.screens.layout import Layout, LayoutScreen, is_stacked
from tui.screens.moments import MomentsScreen
from tui.widgets.banner import Banner
from tui.widgets.header import HeaderLine
from tui.widgets.keybar import KeyBar
from tui.widgets.status import StatusLine
from tui.widgets.tabs import PaneTab, PaneTabs

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
to the shell, and `fg` comes back. `ctrl+l` paints the screen again. `=` chooses which panes are seen; two at once
need 100×24 or 80×40, more need 110×32. New here? `ctrl+p`, then *lesson*: ten steps over a live network.

**Mouse**: the wheel zooms a chart at the pointer, and elsewhere walks through moments, units or samples; dragging pans
a chart, or selects text and copies it. A click sets the cursor or the caret, or chooses a unit or a candidate. With
`shift` held, most terminals select by themselves.

**Take along**: `y` copies what the pane with the focus says; `Y` writes a picture of it into the run's directory, and
`ctrl+y` one of the whole screen.

**One clock**: `(` and `)` take all panes to an earlier *moment* of the run, a step whose weights are kept; all that
they show is then computed with those weights. The header says which step it is. `m` lays now over it, where a pane can;
`end` and `esc` go back to now. The training goes on meanwhile, and does not notice.
"""


def _bindings_need(snapshot: Snapshot) -> tuple[object, ...]:
    """What the keys that do something depend on."""
    return snapshot.state, snapshot.live, snapshot.moments, snapshot.sampling is None


class LayoutChosen(Message):
    """The user chose to see the panes in `places`."""

    def __init__(self, places: tuple[str, ...]) -> None:
        self.places = places
        super().__init__()


class Dashboard(MomentsScreen):
    """Header, status, panes and keys. It asks for commands by message; the app sends them.

    The keys of the learning rate and the temperature are actions of the app itself.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*keys.RUN]
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
        self.arrangement = Layout(TITLES)
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
        self._arrange(event.size)

    def _arrange(self, size: Size | None = None) -> None:
        size = self.size if size is None else size
        seen = self.arrangement.seen(size)
        for place, panes in self._views.items():
            for pane in panes:
                pane.display = pane is self.panes[place] and place in seen
        for column in self.query("#body > Vertical"):
            column.display = any(pane.display for pane in column.query(Pane))
        body = self.query_one("#body")
        body.set_class(len(seen) == 2 and not is_stacked(size), "-row")
        body.set_class(len(seen) == 2 and is_stacked(size), "-stack")
        self._tabs.display = len(seen) < len(TITLES)
        self._tabs.mark(self._current, seen)
        if self.visible_instruments != self._visible:
            self._visible = self.visible_instruments
            self.post_message(ViewChanged(visible=self._visible))
            self.call_after_refresh(self._show_latest)
        if not self.current.has_focus_within:
            self.set_focus(self.current)  # at once: `focus` would act after keys that are already waiting
        self.refresh_bindings()

    @property
    def _current(self) -> str:
        return self.arrangement.current

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        for node in event.widget.ancestors_with_self:
            for place, pane in self.panes.items():
                if node is pane:
                    self.arrangement.go_to(place)
        self._tabs.mark(self._current, self.arrangement.seen(self.size))

    def choose_layout(self, places: tuple[str, ...]) -> None:
        """See the panes in `places`, as many as there is room for."""
        self.arrangement.choose(places)
        self._arrange()

    def on_pane_tab_chosen(self, message: PaneTab.Chosen) -> None:
        self.action_show_pane(message.pane)

    # --- keys ------------------------------------------------------------------------------

    def commands_of_other_panes(self) -> Iterator[SystemCommand]:
        """A command of the palette for each key of a pane that has not the focus; it goes to that pane first."""
        for place, panes in self._views.items():
            for pane in panes:
                if pane is self.current:
                    continue
                name = f"{TITLES[place]} {pane.VIEWS[0]}" if len(panes) > 1 else TITLES[place]
                for binding in Binding.make_bindings(pane.BINDINGS):
                    if pane.check_action(binding.action.partition("(")[0], ()) is not False:
                        key = self.app.get_key_display(binding)
                        yield SystemCommand(
                            f"{name}: {binding.tooltip}", f"Key: {key}", partial(self._do_there, place, pane, binding)
                        )

    async def _do_there(self, place: str, pane: Pane, binding: Binding) -> None:
        self.panes[place] = pane
        self.action_show_pane(place)
        await self.app.run_action(binding.action, pane)

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
                return self.arrangement.is_zoomed or len(self.arrangement.seen(self.size)) > 1
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
        self.arrangement.go_to(pane)
        self._arrange()

    def action_turn(self, by: int) -> None:
        """Go `by` panes further."""
        self.action_show_pane(self.arrangement.after(by))

    def action_turn_view(self) -> None:
        """Show the next view of the current pane's place, in that pane or in the next one."""
        names = self.current.views_here
        view = names[(names.index(self.current.view) + 1) % len(names)]
        pane = next(pane for pane in self._views[self._current] if view in pane.VIEWS)
        pane.choose_view(view)
        self.panes[self._current] = pane
        self._arrange()

    def action_zoom(self) -> None:
        self.arrangement.is_zoomed = not self.arrangement.is_zoomed
        self._arrange()

    def action_layout(self) -> None:
        """Let the user choose which panes are seen."""

        def choose(places: tuple[str, ...]) -> None:
            self.choose_layout(places)
            self.post_message(LayoutChosen(self.arrangement.chosen))

        self.app.push_screen(LayoutScreen(TITLES, self.arrangement.chosen, choose))
