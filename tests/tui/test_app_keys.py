"""Every key of the dashboard does what it says, and letters are text while one types."""

from __future__ import annotations

import inspect

import pytest
from textual.app import SystemCommand
from textual.binding import Binding
from textual.widgets import Markdown

from engine.session.messages import (
    Pause,
    Resume,
    RollBack,
    Save,
    ScaleLearningRate,
    SetView,
    ShiftSampling,
    StepOnce,
    Stop,
)
from tests.tui.fake_instruments import STEPS_PER_REPORT
from tests.tui.fake_run import FakeLink
from tests.tui.on_screen import dashboard, sent, text_of, until
from tui.app.app import CharrnnApp
from tui.panes.pane import Pane
from tui.screens.places import PLACES


async def test_space_pauses_and_resumes() -> None:
    async with dashboard() as (app, link, pilot):
        assert "space pause" in text_of(app)
        await pilot.press("space")
        await until(pilot, lambda: "‖ paused" in text_of(app))
        assert "space resume" in text_of(app)
        await pilot.press("space")
        await until(pilot, lambda: "▶ training" in text_of(app))
        assert [sent(link, Pause), sent(link, Resume)] == [[Pause()], [Resume()]]


async def test_full_stop_pauses_a_training_and_makes_one_step() -> None:
    async with dashboard() as (app, link, pilot):
        step = link.step
        await pilot.press(".")
        await until(pilot, lambda: "‖ paused" in text_of(app))
        await pilot.press(".")
        await until(pilot, lambda: len(sent(link, StepOnce)) == 2)
        assert sent(link, Pause) == []  # the run pauses by itself
        assert link.step == step + 2 * STEPS_PER_REPORT


async def test_the_learning_rate_goes_down_and_up() -> None:
    async with dashboard() as (app, link, pilot):
        await pilot.press("[")
        await pilot.press("]", "]")
        await until(pilot, lambda: len(sent(link, ScaleLearningRate)) == 3)
        assert [command.factor for command in sent(link, ScaleLearningRate)] == [0.8, 1.25, 1.25]
        await until(pilot, lambda: "lr 2.5e-3" in text_of(app))


async def test_the_temperature_goes_up_and_down() -> None:
    async with dashboard() as (app, link, pilot):
        await pilot.press("}")
        await until(pilot, lambda: "T 0.9" in text_of(app))
        await pilot.press(*"{" * 12)
        await until(pilot, lambda: "greedy" in text_of(app))
        assert sent(link, ShiftSampling) == [ShiftSampling(temperature=0.1), *[ShiftSampling(temperature=-0.1)] * 12]


async def test_saving_says_where() -> None:
    async with dashboard() as (app, link, pilot):
        await pilot.press("s")
        await until(pilot, lambda: "Saved to runs/brisk-otter" in text_of(app))
        assert sent(link, Save) == [Save()]


async def test_while_typing_letters_are_text() -> None:
    async with dashboard() as (app, link, pilot):
        await pilot.press("p")
        await pilot.press(*"nz1 sq")
        await until(pilot, lambda: link.view.prompt.endswith("nz1 sq"))
        assert app.screen is app.dashboard
        assert sent(link, Pause) == []
        assert sent(link, Save) == []
        await pilot.press("escape", "space")
        await until(pilot, lambda: bool(sent(link, Pause)))


async def test_typing_does_not_wait_for_the_timer() -> None:
    async with dashboard() as (app, _, pilot):
        app._timer.pause()
        await pilot.press("p", *"lamp")

        def answered() -> bool:
            latest = app.viewer.latest
            return latest is not None and latest.connectivity is not None and latest.connectivity.prompt == "lamp"

        await until(pilot, answered)


async def test_the_view_is_sent_only_when_it_changes() -> None:
    async with dashboard() as (_, link, pilot):
        before = len(sent(link, SetView))
        await pilot.press("1", "2", "3", "2", "tab")
        await pilot.pause(0.1)
        assert len(sent(link, SetView)) == before


async def test_help_says_what_the_keys_do_and_how_to_read_the_panes() -> None:
    async with dashboard() as (app, _, pilot):
        await pilot.press("3", "question_mark")

        def keys() -> str:
            return "".join(str(each.render()) for each in app.screen.query(".keys"))

        await until(pilot, lambda: "Pause the training" in keys())
        first = app.screen.query(Markdown).first()
        assert first.source == app.dashboard.panes["gradients"].HELP
        await pilot.press("escape")
        assert app.screen is app.dashboard


def offered(app: CharrnnApp) -> dict[str, SystemCommand]:
    """The commands of the palette, by title."""
    return {command.title: command for command in app.get_system_commands(app.screen)}


async def test_the_palette_offers_what_makes_sense_now() -> None:
    always = {"Start a new run", "Change the theme", "Leave the program"}
    training, paused = {"Pause the training", *always}, {"Resume the training", *always}
    diverged, detachable = {"Go back to the last good weights", *always}, {"Let the run go on without this screen"}
    everything = training | paused | diverged | detachable
    async with dashboard() as (app, link, pilot):
        assert everything & set(offered(app)) == training  # there is no way to detach this one
        await pilot.press("space")
        await until(pilot, lambda: everything & set(offered(app)) == paused)
        link.diverge()
        await until(pilot, lambda: everything & set(offered(app)) == diverged)
    async with dashboard(detach=FakeLink) as (app, _, _):
        assert everything & set(offered(app)) == training | detachable


async def test_a_command_of_the_palette_does_what_its_key_does() -> None:
    async with dashboard() as (app, link, pilot):
        save = offered(app)["Save the weights now"].callback()
        assert inspect.isawaitable(save)
        await save
        await until(pilot, lambda: sent(link, Save) == [Save()])


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
async def test_the_last_line_has_keys_of_the_focused_pane_in_every_size(size: tuple[int, int]) -> None:
    async with dashboard(size=size) as (app, _, pilot):
        for number, key in enumerate(("v view", "t cooler", "v view", "⏎ type", "↑ ↓ unit"), start=1):
            await pilot.press(str(number))
            await until(pilot, lambda: key in text_of(app).splitlines()[-1])  # noqa: B023 it is called at once
            line = text_of(app).splitlines()[-1]
            assert line.startswith(" space pause  i inside  ( moment")
            assert line.rstrip().endswith("? help  q quit")
            assert ("…" in line) == (size[0] < 200)


async def test_the_way_to_leave_a_run_running_stands_in_the_last_line_of_a_large_screen() -> None:
    async with dashboard(detach=FakeLink) as (app, _, pilot):
        for number in "12345":
            await pilot.press(number)
            await pilot.pause(0.05)
            assert "d detach" in text_of(app).splitlines()[-1]


async def test_the_last_line_can_be_clicked() -> None:
    async with dashboard() as (app, link, pilot):
        line = text_of(app).splitlines()[-1]
        await pilot.click("KeyBar", offset=(line.index("pause") + 1, 0))
        await until(pilot, lambda: sent(link, Pause) == [Pause()])


async def test_both_themes_are_there_and_the_dark_one_is_the_first() -> None:
    async with dashboard() as (app, _, pilot):
        assert app.theme == "charrnn-dark"
        app.theme = "charrnn-light"
        await pilot.pause()
        assert not app.current_theme.dark


async def test_going_back_is_offered_when_it_diverged() -> None:
    async with dashboard() as (app, link, pilot):
        link.diverge()
        await until(pilot, lambda: "b go back" in text_of(app))
        await pilot.press("b")
        await until(pilot, lambda: "▶ training" in text_of(app))
        assert sent(link, RollBack) == [RollBack()]
        assert not sent(link, Stop)


@pytest.mark.parametrize("pane", [pane for place in PLACES.values() for pane in place])
def test_the_keys_of_a_pane_explain_themselves(pane: type[Pane]) -> None:
    bindings = [binding for binding in pane.BINDINGS if isinstance(binding, Binding)]
    assert len(bindings) == len(pane.BINDINGS)
    assert all(binding.id and binding.tooltip and binding.description for binding in bindings)
