"""Keys, clicks and pastes at every moment: before anything is drawn, while a screen opens or closes, at the end."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest
from textual.binding import Binding
from textual.dom import DOMNode
from textual.events import AppBlur, AppFocus, Event, Key, MouseDown, MouseScrollDown, MouseUp, Paste
from textual.pilot import Pilot
from textual.widgets import DataTable, Input

from engine.runs.listing import RunList
from engine.session.messages import Command, SetView
from tests.finished_run import finish_run
from tests.tui.fake_run import FakeLink
from tests.tui.on_screen import dashboard, text_of, until
from tui.app.app import CharrnnApp
from tui.app.base_app import BaseApp
from tui.app.runs_app import Opened, RunsApp
from tui.panes.keys import RUN
from tui.screens.dialogs import Dialog, QuitDialog
from tui.screens.new_run import NewRunScreen
from tui.screens.places import PLACES
from tui.screens.runs import RunsScreen
from tui.screens.runs_table import RunsTable

PANES = [pane for place in PLACES.values() for pane in place]
CLASSES: tuple[type[DOMNode], ...] = (BaseApp, *PANES, NewRunScreen, DataTable)
LEAVING = {"q", "ctrl+q", "ctrl+c", "ctrl+z", "d"}  # the last moves the run into a process
EDITING = ("a", "backspace", "delete", "home", "end", "ctrl+u", "ctrl+w", "ctrl+k", "escape", "enter", "tab", "ctrl+p")


def every_key() -> list[str]:
    """All keys that are bound anywhere, but those that leave; and some that edit."""
    bindings = [binding for cls in CLASSES for binding in cls.BINDINGS]
    bound = {key for each in [*RUN, *bindings] if isinstance(each, Binding) for key in each.key.split(",")}
    return sorted({*bound, *EDITING} - LEAVING)


def pressed(key: str) -> Key:
    return Key(key, key if len(key) == 1 else {"full_stop": ".", "left_square_bracket": "["}.get(key))


def clicked(x: int, y: int) -> list[Event]:
    values = (x, y, 0, 0, 1, False, False, False)
    return [MouseDown(None, *values), MouseUp(None, *values), MouseScrollDown(None, *values)]


def everything(seed: int) -> list[Event]:
    """One event of each kind and each key, in some order."""
    events = [*map(pressed, every_key()), Paste("pasted \x1b text"), AppBlur(), AppFocus()]
    for x, y in ((3, 3), (60, 20), (100, 34)):
        events += clicked(x, y)
    random.Random(seed).shuffle(events)
    return [*events, AppFocus()]


async def back_to(pilot: Pilot[None], screen: object) -> None:
    """Close whatever lies over `screen`."""
    for _ in range(20):
        await pilot.pause(0.02)
        if pilot.app.screen is screen:
            return
        await pilot.press("escape")
    raise AssertionError(f"{pilot.app.screen} stays")


@pytest.mark.parametrize("seed", range(2))
async def test_no_event_before_the_first_frame_ends_the_dashboard(seed: int) -> None:
    class Early(CharrnnApp):
        def on_load(self) -> None:
            for event in everything(seed):
                self.post_message(event)

    app = Early(FakeLink(), lambda config: FakeLink(config, reports=0), fps=50)
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        await until(pilot, lambda: app.viewer.latest is not None)
        await back_to(pilot, app.dashboard)


async def test_what_comes_before_the_first_frame_waits_for_it_and_keeps_its_order() -> None:
    events, acted = everything(3), []

    class Early(CharrnnApp):
        def on_load(self) -> None:
            for event in events:
                self.post_message(event)

        async def _carry_out_one(self, event: Event) -> None:
            assert all(pane.is_mounted for pane in self.dashboard.panes.values())
            acted.append(event)
            await super()._carry_out_one(event)

    app = Early(FakeLink(), lambda config: FakeLink(config, reports=0), fps=50)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: len(acted) == len(events) - 3)
        assert acted == [event for event in events if not isinstance(event, AppBlur | AppFocus)]


async def test_a_prompt_typed_before_the_first_frame_is_there() -> None:
    class Early(CharrnnApp):
        def on_load(self) -> None:
            for key in "physics":
                self.post_message(pressed(key))

    app = Early(FakeLink(), fps=50)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "› hysics" in text_of(app))


@pytest.mark.parametrize(
    ("opener", "size"),
    [("n", (120, 36)), ("question_mark", (80, 24)), ("ctrl+p", (80, 24)), ("ctrl+p", (1, 1)), ("n", (1, 1))],
)
async def test_no_event_ends_it_while_a_screen_opens_or_closes(opener: str, size: tuple[int, int]) -> None:
    async with dashboard(size=size) as (app, _, pilot):
        for event in [pressed(opener), *everything(1), pressed(opener), pressed("escape"), pressed(opener)]:
            app.post_message(event)
        await pilot.resize_terminal(1, 1)
        await pilot.resize_terminal(*size)
        await back_to(pilot, app.dashboard)


async def test_the_palette_can_be_opened_again_before_the_one_before_is_gone() -> None:
    async with dashboard() as (app, _, pilot):
        for key in ("ctrl+p", "escape") * 10:
            app.post_message(pressed(key))
        await back_to(pilot, app.dashboard)


async def test_a_screen_that_closes_late_or_twice_closes_no_other() -> None:
    async with dashboard() as (app, _, pilot):
        await pilot.press("n")
        form = app.screen
        assert isinstance(form, NewRunScreen)
        app.action_command_palette()
        palette = app.screen
        form.dismiss()  # as when the new run has begun meanwhile
        await pilot.pause()
        assert app.screen is palette
        palette.dismiss()
        palette.dismiss()
        await until(pilot, lambda: app.screen is app.dashboard)
        await pilot.press("question_mark")
        form.dismiss()
        palette.dismiss()
        await pilot.pause()
        assert app.screen is not app.dashboard


async def test_keys_for_a_dialog_wait_until_it_is_drawn() -> None:
    """`n` opens the form, and what follows is for its field."""
    async with dashboard() as (app, _, pilot):
        for key in ("n", "ctrl+u", *"hasty"):
            app.post_message(pressed(key))
        await until(pilot, lambda: isinstance(app.screen, NewRunScreen) and isinstance(app.focused, Input))
        field = app.focused
        assert isinstance(field, Input)
        await until(pilot, lambda: field.value == "hasty")


async def test_a_field_takes_all_text_and_no_key_with_alt() -> None:
    """Textual's own fields take only what Python calls printable; the palette's and the form's take all text."""
    typed = "a\u3000\xa0\u200c\xadé漢"
    async with dashboard() as (app, _, pilot):
        await pilot.press("n", "ctrl+u")
        field = app.focused
        assert isinstance(field, Input)
        for char in typed:
            app.post_message(Key(char, char))
        app.post_message(Key("alt+b", "b"))
        app.post_message(Paste("\x1b]0;title\x07\x00\x9b1m\rmore"))
        await until(pilot, lambda: field.value == f"{typed}]0;title1m")


async def test_while_it_ends_no_key_acts(monkeypatch: pytest.MonkeyPatch) -> None:
    async with dashboard() as (app, link, pilot):
        left, leave = threading.Event(), app.viewer.leave
        monkeypatch.setattr(app.viewer, "leave", lambda **options: (left.wait(120), leave(**options)))
        app.end(save=True)
        before: list[Command] = [each for each in link.sent if not isinstance(each, SetView)]
        for event in everything(1):
            app.post_message(event)
        await pilot.pause(0.2)
        assert app.screen is app.dashboard
        assert [each for each in link.sent if not isinstance(each, SetView)] == before
        left.set()
        await until(pilot, lambda: not app.is_running)


def list_keys() -> Iterable[str]:
    bindings = [*RunsScreen.BINDINGS, *RunsTable.BINDINGS, *DataTable.BINDINGS, *Dialog.BINDINGS, *QuitDialog.BINDINGS]
    return sorted({key for each in bindings if isinstance(each, Binding) for key in each.key.split(",")} - LEAVING)


async def test_no_key_ends_the_list_of_runs_before_it_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish_run(tmp_path / "calm-fox", cell="rnn", layers=1, steps=2)
    listed = threading.Event()
    look = RunList.look
    monkeypatch.setattr(RunList, "look", lambda runs: (listed.wait(120), look(runs))[1])

    class Early(RunsApp):
        def on_load(self) -> None:
            for key in list_keys():
                self.post_message(pressed(key))

    app = Early(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        for key in [*list_keys(), *list_keys()]:
            await pilot.press(key)
        for key in ("escape", "up", "up"):
            await pilot.press(key)
        listed.set()
        await until(pilot, lambda: "calm-fox" in text_of(app))
        assert app.list.current is not None
        assert app.list.current.name == "calm-fox"
        await pilot.press("enter")
        await until(pilot, lambda: app.return_value is not None)
        assert isinstance(app.return_value, Opened)
        app.return_value.link.close()
