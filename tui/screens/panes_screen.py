"""The panes on a screen: side by side where they fit, two or one with tabs where they do not."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial

from textual.app import ComposeResult, SystemCommand
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.events import DescendantFocus, Resize
from textual.geometry import Size

from tui.panes.connectivity import ConnectivityPane
from tui.panes.pane import Pane, ViewChanged
from tui.screens.layout import Layout, LayoutChosen, LayoutScreen, is_stacked
from tui.screens.places import LEFT, PLACES, RIGHT, TITLES
from tui.terminal.selection import SelectsLines
from tui.widgets.tabs import PaneTab, PaneTabs


class PanesScreen(SelectsLines):
    """A screen with the panes of `PLACES`, as many as there is room for, and with the keys that lead to them."""

    def __init__(self) -> None:
        super().__init__()
        self._views = {place: [pane() for pane in panes] for place, panes in PLACES.items()}
        for panes in self._views.values():
            for pane in panes:
                pane.views_here = tuple(view for other in panes for view in other.VIEWS)
        self.panes = {place: panes[0] for place, panes in self._views.items()}  # the one that has its turn
        self.arrangement = Layout(TITLES)
        self._tabs = PaneTabs(TITLES)
        self._visible: tuple[str, ...] | None = None

    def compose(self) -> ComposeResult:
        yield self._tabs
        with Horizontal(id="body"):
            for side, places in (("left", LEFT), ("right", RIGHT)):
                with Vertical(id=side):
                    for place in places:
                        yield from self._views[place]

    def panes_appeared(self) -> None:
        """Other panes are seen than before. A subclass that has something to show in them does so."""

    @property
    def visible_instruments(self) -> tuple[str, ...]:
        """The instruments that are on the screen."""
        return tuple(pane.INSTRUMENT for pane in self._shown() if pane.INSTRUMENT)

    @property
    def current(self) -> Pane:
        """The pane with the focus, or the last one that had it."""
        return self.panes[self._current]

    # --- layout ----------------------------------------------------------------------------

    def _shown(self) -> list[Pane]:
        return [pane for pane in self.panes.values() if pane.display]

    def all_panes(self) -> Iterator[Pane]:
        """Every pane, whether it has its turn or not."""
        return itertools.chain.from_iterable(self._views.values())

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
            self.call_after_refresh(self.panes_appeared)
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
        match action:
            case "turn_view":
                return len(self.current.views_here) > 1
            case "zoom":
                return self.arrangement.is_zoomed or len(self.arrangement.seen(self.size)) > 1
        return True

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
