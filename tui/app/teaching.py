"""An app that can give the first lesson over its dashboard."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from textual import work
from textual.app import SystemCommand
from textual.binding import BindingType
from textual.screen import Screen
from textual.timer import Timer

from engine.errors import UserError
from tui.app.switching import SECONDS_TO_READ, SwitchingApp
from tui.panes import keys
from tui.panes.loss import LossPane
from tui.panes.typed import TypedPane
from tui.screens.first_lesson import END, STEPS, fits, settings
from tui.screens.inside import InsideScreen
from tui.screens.lesson import Lesson, Look
from tui.screens.lesson_facts import FACTS
from tui.widgets.keybar import KeyBar
from tui.widgets.lesson_strip import LessonStrip

SECONDS_BETWEEN_LOOKS = 0.1  # at what the user does


class TeachingApp(SwitchingApp):
    """Gives the lesson, from the palette or from step `lesson_at` on, counted from 1; 0 gives none at the beginning.

    The lesson's strip lies above the keys of the dashboard, and of a step that is taken apart.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*keys.LESSON]
    lesson_at = 0
    _lesson: Lesson | None = None
    _looks: Timer | None = None

    def on_mount(self) -> None:
        if self.lesson_at:
            self._begin_lesson(self.lesson_at)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        yield from super().get_system_commands(screen)
        if screen is self.dashboard and (self._is_teachable or self._start_run is not None) and not self.is_changing:
            for number, step in enumerate(STEPS, start=1):
                title = f"Lesson {number}/{len(STEPS)}: {step.title}"
                begin = "Begin the first lesson" if number == 1 else "Begin the first lesson at this step"
                yield SystemCommand(title, begin, partial(self.take_lesson, number))

    @property
    def is_teaching(self) -> bool:
        return self._lesson is not None

    @property
    def _is_teachable(self) -> bool:
        """Whether the lesson can be given over the run on the screen."""
        return fits(self.viewer.link.info) and not self.viewer.is_over

    @work
    async def take_lesson(self, at: int) -> None:
        """Give the lesson from step `at` on; if the run on the screen is of another kind, over a new one."""
        from tui.screens.dialogs import LessonDialog

        if not self._is_teachable:
            info = self.viewer.link.info
            ends = "" if self.viewer.link.is_remote or self.viewer.is_over else info.name
            if ends and await self.push_screen_wait(LessonDialog(ends)) != "begin":
                return
            try:
                await self.begin_run(settings())
            except UserError as error:
                self.notify(str(error), severity="error", timeout=SECONDS_TO_READ)
                return
        self._begin_lesson(at)

    def _begin_lesson(self, at: int) -> None:
        self._lesson = Lesson(STEPS, END, FACTS, at - 1)
        if self._looks is None:
            self._looks = self.set_interval(SECONDS_BETWEEN_LOOKS, self._follow_lesson)
        self._looks.resume()
        self.dashboard.refresh_bindings()

    def _follow_lesson(self) -> None:
        """Show the step of the lesson; go on to the next one if the user has done what it asks for."""
        lesson, snapshot = self._lesson, self.viewer.latest
        if not self.is_running or lesson is None or snapshot is None or self.is_changing:
            return  # the timer may ring once more while the screens are put away
        if not fits(self.viewer.link.info):
            self.action_leave_lesson()
            return
        screen = self.screen
        if screen is not self.dashboard and not isinstance(screen, InsideScreen):
            return  # help, a dialog or the palette lies over what the lesson is about
        look = self._look(screen)
        head, text = lesson.follow(look)
        strips = screen.query(LessonStrip)
        strip = strips.first() if strips else LessonStrip()
        if not strips:
            screen.mount(strip, before=screen.query_one(KeyBar))
        strip.say(head, lesson.fill(text, look, self.get_key_display))

    def _look(self, screen: object) -> Look:
        dashboard, snapshot = self.dashboard, self.viewer.latest
        assert snapshot is not None
        pane = dashboard.current
        inside = screen.pane if isinstance(screen, InsideScreen) else None
        return Look(
            place=next(place for place, each in dashboard.panes.items() if each is pane),
            pane_view=pane.view,
            in_bits=dashboard.query_one(LossPane).in_bits,
            typing=isinstance(pane, TypedPane) and pane.typing,
            moment=dashboard.moment,
            view=self.viewer.view,
            snapshot=snapshot,
            info=self.viewer.link.info,
            inside=None if inside is None else inside.answer,
            unit=0 if inside is None else inside.unit,
            way_back=inside is not None and inside.shows_back,
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._lesson is not None if action == "leave_lesson" else True

    def action_leave_lesson(self) -> None:
        """Leave the lesson without a question; the run goes on."""
        lesson, self._lesson = self._lesson, None
        if lesson is None:
            return
        if self._looks is not None:
            self._looks.pause()
        for screen in self.screen_stack:
            screen.query(LessonStrip).remove()
        self.dashboard.refresh_bindings()
        if not lesson.is_over:
            at = lesson.at + 1
            self.notify(
                f"The lesson ends at step {at}. Find “Lesson {at}” with ctrl+p, or type `charrnn-tui lesson {at}`, "
                "to come back to it.",
                timeout=SECONDS_TO_READ,
            )
