"""The moments of a run as a film on the dashboard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar

from textual.binding import BindingType
from textual.pilot import Pilot
from textual.strip import Strip

from engine.errors import UserError
from engine.session.messages import Link
from tui.app.app import CharrnnApp
from tui.panes import keys
from tui.panes.typed import TypedPane
from tui.terminal.frame import lines_on_screen

SPEEDS = (0.5, 1.0, 2.0, 4.0, 8.0)  # moments a second
SIZE = (120, 36)  # columns and rows of a film in a file: as large as all five panes need
PATIENCE = 60.0  # seconds for the answers of a moment

Film = list[list[Strip]]  # frames of lines


class FilmApp(CharrnnApp):
    """The dashboard on the run at the other end of `link`; it shows one moment after the other, and at last now.

    A moment stays until all of its answers were on the screen. With `held` the film does not begin by itself.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*keys.FILM]

    def __init__(self, link: Link, *, fps: float = 4.0, held: bool = False) -> None:
        super().__init__(link, fps=fps)
        self.is_held = held
        self._has_begun = False
        self._speed = SPEEDS.index(2.0)

    def on_mount(self) -> None:
        self._film_timer = self.set_interval(1 / SPEEDS[self._speed], self._turn)

    @property
    def moments(self) -> tuple[int, ...]:
        """The steps that the film shows before it comes to now."""
        return self.viewer.latest.moments if self.viewer.latest is not None else ()

    @property
    def is_shown(self) -> bool:
        """Whether everything on the screen is of the moment that was asked for, and the sample is whole."""
        latest = self.viewer.latest
        asked = self.viewer.view.moment == self.dashboard.moment and not self.viewer.is_waiting
        if latest is None or not asked or latest.moment != self.dashboard.moment:
            return False
        return latest.moment is None or latest.sample is None or latest.sample.complete

    def _turn(self) -> None:
        """Go to the next moment; hold the film once it has come to now."""
        if self.is_held or self.screen is not self.dashboard or not self.moments or not self.is_shown:
            return
        if not self._has_begun:
            self._has_begun = True
            self.dashboard.look_at(self.moments[0])
        elif self.dashboard.moment is None:
            self._has_begun = False
            self._hold(True)
        else:
            self.dashboard.action_walk(1)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("hold", "play", "speed"):
            typing = isinstance(self.focused, TypedPane) and self.focused.typing
            is_due = action == "speed" or (action == "play") == self.is_held
            return self.screen is self.dashboard and not typing and is_due
        return super().check_action(action, parameters)

    def action_hold(self) -> None:
        self._hold(True)

    def action_play(self) -> None:
        self._hold(False)
        self._turn()

    def _hold(self, held: bool) -> None:
        self.is_held = held
        self.dashboard.refresh_bindings()

    def action_speed(self, places: int) -> None:
        self._speed = min(max(self._speed + places, 0), len(SPEEDS) - 1)
        self._film_timer.stop()
        self._film_timer = self.set_interval(1 / SPEEDS[self._speed], self._turn)
        speed = SPEEDS[self._speed]
        self.notify(f"{speed:g} moment{'' if speed == 1 else 's'} a second", timeout=1)


def shoot(link: Link, progress: Callable[[float], None] = lambda share: None) -> Film:
    """The dashboard on the run at the other end of `link` at each of its moments, and at last now; without a terminal.

    Raises `UserError` if the run has no moments, or does not answer.
    """
    film: Film = []
    app = FilmApp(link, fps=30.0, held=True)

    async def shoot_all(pilot: Pilot[object]) -> None:
        try:
            await _until(lambda: app.viewer.latest is not None and bool(app.moments))
            moments = [*app.moments, None]
            for number, moment in enumerate(moments, start=1):
                app.dashboard.look_at(moment)
                await _until(lambda: app.is_shown)
                await pilot.pause()
                film.append(lines_on_screen(app))
                progress(number / len(moments))
        except TimeoutError:
            film.clear()
        app.end(save=False, stop=False)

    app.run(headless=True, size=SIZE, auto_pilot=shoot_all)
    if not film:
        raise UserError(f"{link.info.directory}: its moments cannot be shown; `charrnn-tui attach` says why")
    return film


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)
