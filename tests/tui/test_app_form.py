"""The form for a new run: filled in, checked field by field, and fitting any screen."""

from __future__ import annotations

import dataclasses
import threading

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Select, Static

from engine.config import PRESETS, Config
from engine.errors import ConfigError, UserError
from engine.session.messages import Pause, Resume, Stop
from engine.setting import settings_of
from tests.tui.fake_run import FakeLink
from tests.tui.on_screen import dashboard, sent, text_of, until, watching
from tui.app.app import CharrnnApp
from tui.screens.new_run import NewRunScreen, plain, read


async def opened_form(app: CharrnnApp, pilot: Pilot[None]) -> NewRunScreen:
    """The form for a new run, on the screen."""
    await pilot.press("n")
    await until(pilot, lambda: isinstance(app.screen, NewRunScreen))
    assert isinstance(app.screen, NewRunScreen)
    return app.screen


def note(form: NewRunScreen, setting: str) -> str:
    return str(form._rows[setting].query_one(".note", Static).render())


@pytest.mark.parametrize(
    "config", [Config(), Config(text=("a b.txt", "stdlib"), steps=7, cell="lstm", layers=2, dropout=0.25)]
)
def test_what_it_shows_is_read_back_as_it_was(config: Config) -> None:
    assert read(plain(config.to_json())) == config


@pytest.mark.parametrize(
    ("setting", "typed", "problem"),
    [("hidden", "0", "too small"), ("lr", "nan", "not a finite number"), ("seq", "ten", "not a whole number")],
)
def test_a_bad_setting_is_named(setting: str, typed: str, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(plain(Config().to_json()) | {setting: typed})
    assert list(error.value.problems) == [setting]
    assert problem in error.value.problems[setting]


def test_quotes_that_do_not_close_are_taken_as_they_are() -> None:
    assert read(plain(Config().to_json()) | {"text": "it's here"}).text == ("it's", "here")


async def test_enter_starts_the_run_and_ends_the_one_before() -> None:
    started: list[Config] = []
    new = FakeLink(reports=3)

    def start(config: Config) -> FakeLink:
        started.append(config)
        return new

    async with dashboard(start=start) as (app, link, pilot):
        await opened_form(app, pilot)
        await pilot.press("end", *" stdlib", "enter")
        await until(pilot, lambda: app.screen is app.dashboard)
        assert started == [dataclasses.replace(link.config, text=("saltmere", "stdlib"))]
        await until(pilot, lambda: link.closed)
        assert sent(link, Stop) == [Stop(save=True)]
        assert app.viewer.link is new
        await until(pilot, lambda: "step 30" in text_of(app))


@pytest.mark.parametrize("detached", [False, True])
async def test_it_says_whether_the_run_on_the_screen_ends(detached: bool) -> None:
    link = FakeLink()
    link.info = dataclasses.replace(link.info, detached=detached)
    async with dashboard(link) as (app, _, pilot):
        await opened_form(app, pilot)
        said = f"{link.info.name} is saved and ends when this one starts" in text_of(app)
        assert said is not detached


async def test_a_problem_stands_at_its_field_and_the_run_goes_on() -> None:
    async with dashboard(size=(80, 24)) as (app, link, pilot):
        form = await opened_form(app, pilot)
        form._rows["hidden"].value = "0"
        form._rows["clip"].value = "norm:much"
        await pilot.press("enter")
        await until(pilot, lambda: "too small" in note(form, "hidden"))
        assert "none of none, norm:MAX" in note(form, "clip")
        assert form._rows["hidden"].has_focus_within
        form._rows["hidden"].value = "8"
        await pilot.press("enter")
        await until(pilot, lambda: note(form, "hidden") == "units in each layer")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.dashboard)
        assert sent(link, Stop) == []


async def test_what_only_the_start_finds_is_shown_and_the_run_goes_on() -> None:
    answers: list[UserError] = [UserError("nowhere.txt: there is no such file"), ConfigError({"seq": "too long"})]

    def start(config: Config) -> FakeLink:
        raise answers.pop(0)

    async with dashboard(start=start) as (app, link, pilot):
        form = await opened_form(app, pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "nowhere.txt: there is no such file" in text_of(app))
        await until(pilot, lambda: not form.query_one("#start", Button).disabled)
        await pilot.press("enter")
        await until(pilot, lambda: note(form, "seq") == "too long")
        assert (sent(link, Pause), sent(link, Resume)) == ([Pause()] * 2, [Resume()] * 2)
        assert link.state == "training"
        assert not link.closed


async def test_a_preset_fills_in_what_it_says_and_leaves_the_text() -> None:
    async with dashboard(FakeLink(Config(text=("stdlib",), seed=5, hidden=77))) as (app, _, pilot):
        form = await opened_form(app, pilot)
        form.query_one("#preset", Select).value = "under-the-hood"
        wanted = Config(text=("stdlib",), seed=5, **PRESETS["under-the-hood"])
        await until(pilot, lambda: form._rows["hidden"].value == "100")
        assert read({name: row.value for name, row in form._rows.items()}) == wanted


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_every_field_can_be_reached_and_the_buttons_are_always_there(size: tuple[int, int]) -> None:
    async with dashboard(size=size) as (app, _, pilot):
        form = await opened_form(app, pilot)
        reached: set[str] = set()
        for _ in range(len(settings_of(Config)) + 1):
            reached |= {name for name, row in form._rows.items() if row.has_focus_within}
            assert form.focused is not None
            assert form.query_one("#form").region.contains_region(form.focused.region)
            visible = [button.id for button in form.query(Button) if form.region.contains_region(button.region)]
            assert visible == ["start", "cancel"]
            await pilot.press("tab")
        assert reached == set(settings_of(Config))


async def test_without_a_way_to_start_there_is_no_form() -> None:
    async with dashboard() as (app, _, _):
        assert "n new" in text_of(app)
    async with watching(FakeLink()) as (app, pilot):
        await pilot.press("n")
        await pilot.pause(0.1)
        assert app.screen is app.dashboard
        assert "n new" not in text_of(app)


async def test_what_a_new_run_waits_for_is_said_over_the_form() -> None:
    go = threading.Event()

    def start(config: Config) -> FakeLink:
        app.say("pipe: nothing has come yet [b]\x1b[31m")
        assert go.wait(120)
        raise UserError("it is gone")

    async with dashboard(start=start) as (app, _, pilot):
        await opened_form(app, pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "pipe: nothing has come yet [b]" in text_of(app))
        go.set()
        await until(pilot, lambda: "it is gone" in text_of(app))
