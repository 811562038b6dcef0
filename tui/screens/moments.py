"""Walking through the moments of a run: one clock for all panes."""

from __future__ import annotations

from collections.abc import Iterable

from engine.session.messages import MarkMoment, Snapshot
from tui.panes.pane import CommandRequested, MomentTurned, ViewChanged
from tui.screens.panes_screen import PanesScreen
from tui.widgets.header import HeaderLine

NOW = "now"  # what comes after the last moment


def neighbour(moments: Iterable[int], step: int, here: int | None, places: int) -> int | str | None:
    """The moment before the one shown if `places` is −1, the one after it if 1; NOW after the last; None if none is.

    `here` is the moment shown; None is now, when the run is at `step`.
    """
    if places < 0:
        return max((moment for moment in moments if moment < (step if here is None else here)), default=None)
    return None if here is None else min((moment for moment in moments if moment > here), default=NOW)


class MomentsScreen(PanesScreen):
    """A screen with `keys.MOMENTS`: its panes and header show one moment, a step whose weights are kept, or now.

    Only the viewer's own `View` changes; the run goes on as if nobody looked.
    """

    _header: HeaderLine
    _latest: Snapshot | None

    moment: int | None = None  # the step shown; None is now
    _beside_now = False

    def look_at(self, moment: int | None, *, beside_now: bool = False) -> None:
        """Show the run in all panes as it was after step `moment`, None: as it is; `beside_now` lays now over it."""
        if moment != self.moment:
            self.moment = moment
            self._header.look_at(moment)
            for pane in self.all_panes():
                pane.look_at(moment)
        self._beside_now = beside_now and moment is not None
        self.post_message(ViewChanged(moment=moment, beside_now=self._beside_now))
        self.refresh_bindings()

    def _of_this_moment(self, snapshot: Snapshot, is_answered: bool) -> Snapshot:
        """`snapshot`, without its answers if they are of another moment than the one shown.

        If it answers the last question, and is of another moment all the same, the weights are gone: back to now.
        """
        if snapshot.moment == self.moment:
            return snapshot
        if is_answered and self.moment is not None:
            self.notify(f"The weights of step {self.moment:,} are kept no more, or cannot be read: back to now")
            self.look_at(None)
        return snapshot.without_answers()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        latest = self._latest
        match action, parameters:
            case "walk", (int(places),):
                return latest is not None and self._neighbour(latest, places) is not None
            case "mark", _:
                return latest is None or not latest.is_over
            case "now" | "beside_now", _:
                return self.moment is not None
        return super().check_action(action, parameters)

    def _neighbour(self, latest: Snapshot, places: int) -> int | str | None:
        return neighbour(latest.moments, latest.step, self.moment, places)

    def on_moment_turned(self, message: MomentTurned) -> None:
        self.action_walk(message.places)

    def action_walk(self, places: int) -> None:
        found = None if self._latest is None else self._neighbour(self._latest, places)
        if found is not None:
            self.look_at(found if isinstance(found, int) else None, beside_now=self._beside_now)

    def action_now(self) -> None:
        self.look_at(None)

    def action_beside_now(self) -> None:
        self.look_at(self.moment, beside_now=not self._beside_now)

    def action_mark(self) -> None:
        self.post_message(CommandRequested(MarkMoment()))
