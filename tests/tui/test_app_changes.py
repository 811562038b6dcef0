"""Whatever key asks for another run or another process, in whatever state: the header says what is, and it goes on."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.widgets import Button

from engine.config import Config
from engine.errors import UserError
from engine.session.messages import Pause, Resume, Snapshot, Stop
from tests.tui.fake_run import FakeLink
from tests.tui.on_screen import dashboard, lines_of, sent, text_of, until
from tui.screens.new_run import NewRunScreen


class LostLink(FakeLink):
    """A run of which its viewer knows nothing any more."""

    is_lost = False

    def lose(self) -> None:
        self.is_lost = self._fresh = True

    def snapshot(self) -> Snapshot:
        found = super().snapshot()
        return dataclasses.replace(found, live=False, reason="it is silent") if self.is_lost else found


# What a test does to the run, what the header says then, and which of the keys n, g and d do something.
STATES: dict[str, tuple[Callable[[LostLink], object], str]] = {
    "▶ training": (lambda link: link, "nd"),
    "‖ paused": (lambda link: link.send(Pause()), "nd"),
    "✗ diverged": (lambda link: link.diverge(), "nd"),
    "✓ finished": (lambda link: link.finish(), "ng"),
    "■ stopped": (lambda link: link.send(Stop()), "ng"),
    "✗ failed": (lambda link: link.fail(), "ng"),
    "? out of touch": (lambda link: link.lose(), "n"),
}


class Gate:
    """Opens or moves a run as slowly as a test wants, and then refuses."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.go = threading.Event()

    def _refuse(self, what: str) -> FakeLink:
        self.asked.append(what)
        assert self.go.wait(120)
        raise UserError("there is no room")

    def start(self, config: Config) -> FakeLink:
        return self._refuse("n")

    def resume(self, directory: Path) -> FakeLink:
        return self._refuse("g")

    def detach(self) -> FakeLink:
        return self._refuse("d")


@pytest.mark.parametrize("state", STATES)
async def test_a_refusal_leaves_the_run_in_its_state(state: str) -> None:
    enter, offered = STATES[state]
    gate, link = Gate(), LostLink()
    async with dashboard(link, start=gate.start, resume=gate.resume, detach=gate.detach) as (app, _, pilot):
        enter(link)
        await until(pilot, lambda: lines_of(app)[0].rstrip().endswith(state))
        for key in "gd":
            for _ in range(2):
                gate.asked.clear()
                gate.go.clear()
                await pilot.press(key, "g", "d")  # only one at a time, whatever is pressed
                await pilot.pause(0.02)
                if key not in offered:
                    gate.go.set()
                    await until(pilot, lambda: not app.is_changing)
                    continue
                await until(pilot, lambda: gate.asked == [key])  # noqa: B023
                await until(pilot, lambda: lines_of(app)[0].rstrip().endswith(("· opening", "· detaching")))
                gate.go.set()
                await until(pilot, lambda: "there is no room" in text_of(app))
                await until(pilot, lambda: lines_of(app)[0].rstrip().endswith(state))
                app.clear_notifications()
                assert app.viewer.link is link
                assert gate.asked == [key]
        assert not link.closed
        assert sent(link, Stop) == ([Stop()] if state == "■ stopped" else [])


async def test_a_run_that_is_being_opened_cannot_be_taken_back_and_no_other_can_be() -> None:
    """Else the form would close, and a run nobody sees would begin and end the one on the screen."""
    gate = Gate()
    async with dashboard(start=gate.start, detach=gate.detach) as (app, link, pilot):
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, NewRunScreen))
        await pilot.press("enter", "escape", "enter", "ctrl+s")
        await until(pilot, lambda: gate.asked == ["n"])
        app.screen.query_one("#cancel", Button).press()
        await pilot.pause(0.05)
        assert isinstance(app.screen, NewRunScreen)
        await pilot.press("ctrl+c")
        await until(pilot, lambda: "The run ends with the program" in text_of(app))
        assert "Leave it running" not in text_of(app)  # which run that is would not be certain
        await pilot.press("escape")
        gate.go.set()
        await until(pilot, lambda: "there is no room" in text_of(app))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.dashboard)
        assert (sent(link, Pause), sent(link, Resume), sent(link, Stop)) == ([Pause()], [Resume()], [])
        assert gate.asked == ["n"]


async def test_a_key_that_was_pressed_twice_before_the_first_had_an_effect() -> None:
    gate = Gate()
    gate.go.set()
    async with dashboard(detach=gate.detach, resume=gate.resume) as (app, _, pilot):
        for action, what in ((app.action_detach, "d"), (app.action_go_on, "g")):
            gate.asked.clear()
            action()
            action()
            await until(pilot, lambda: gate.asked and not app.is_changing)
            await pilot.pause(0.05)
            assert gate.asked == [what]


async def test_leaving_while_a_run_moves_does_not_stop_it() -> None:
    gate = Gate()
    async with dashboard(detach=gate.detach) as (app, link, pilot):
        await pilot.press("d")
        await until(pilot, lambda: gate.asked)
        app.end_at_once()  # the terminal was closed
        await until(pilot, lambda: not app.is_running)
        assert sent(link, Stop) == []
    gate.go.set()
