"""One table of keys: a letter has one meaning, and what the texts say of keys is true."""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest
from textual.binding import Binding

from engine.session.messages import Clamp, Held, Stop
from tests.tui.fake_run import FakeLink
from tests.tui.on_screen import dashboard, lines_of, sent, text_of, until, watching
from tests.tui.test_app_keys import offered
from tui.panes import keys
from tui.panes.inside import InsidePane
from tui.panes.keys import ON_A_LIST, ON_A_RUN, OTHER_MEANINGS
from tui.panes.pane import Pane
from tui.rendering.preset_cards import CARDS
from tui.screens.places import PLACES
from tui.widgets.header import held_words

README = Path(__file__).parents[2] / "README.md"
NAMES = {
    "(": "left_parenthesis", ")": "right_parenthesis", "[": "left_square_bracket", "]": "right_square_bracket",
    "{": "left_curly_bracket", "}": "right_curly_bracket", ".": "full_stop", "?": "question_mark", "/": "slash",
    "=": "equals_sign", "+": "plus", "-": "minus", "<": "less_than_sign", ">": "greater_than_sign",
}  # fmt: skip
NO_KEYS = set("·#«»^$+-")  # what else stands between backticks, and the signs + and - of pictures


def letters(places: Iterable[tuple[Binding, ...]]) -> dict[str, set[str]]:
    """What each letter is called in the last line."""
    found = defaultdict(set)
    for place in places:
        for binding in place:
            for key in binding.key.split(","):
                if len(key) == 1 and key.isalpha() and binding.description not in (key, "close"):
                    found[key].add(binding.description)
    return found


@pytest.mark.parametrize("places", [ON_A_RUN, ON_A_LIST], ids=["run", "list"])
def test_a_letter_has_one_meaning(places: dict[str, tuple[Binding, ...]]) -> None:
    assert {key: words for key, words in letters(places.values()).items() if len(words) > 1} == {}


def test_the_letters_that_mean_something_else_in_a_list_are_named() -> None:
    on_a_run, on_a_list = letters(ON_A_RUN.values()), letters(ON_A_LIST.values())
    other = {key for key in on_a_run.keys() & on_a_list.keys() if on_a_run[key] != on_a_list[key]}
    assert other == set(OTHER_MEANINGS)


def test_no_two_keys_of_a_place_are_the_same_unless_only_one_can_act() -> None:
    for name, place in {**ON_A_RUN, **ON_A_LIST}.items():
        pressed = [key for binding in place for key in binding.key.split(",")]
        twice = {key for key in pressed if pressed.count(key) > 1}
        assert twice <= {"space", "escape", "enter"}, name


def written(text: str) -> set[str]:
    """The keys between backticks in `text`, as Textual names them."""
    return {NAMES.get(key, key) for key in re.findall(r"`([^`\s])`", text)}


@pytest.mark.parametrize("place", [*PLACES.values(), (InsidePane,)], ids=[*PLACES, "inside"])
def test_the_help_names_keys_that_act_there(place: tuple[type[Pane], ...]) -> None:
    bindings = [binding for pane in place for binding in pane.BINDINGS if isinstance(binding, Binding)]
    bound = {key for binding in (*bindings, *keys.RUN) for key in binding.key.split(",")}
    for pane in place:
        assert written(pane.HELP) - {NAMES.get(sign, sign) for sign in NO_KEYS} <= bound, pane


@pytest.mark.parametrize("name", CARDS)
def test_the_card_of_a_preset_names_keys_that_act_on_a_run(name: str) -> None:
    there = " ".join(CARDS[name].split()).replace("`c` in the list of runs", "")
    assert written(there) <= {key for place in ON_A_RUN.values() for binding in place for key in binding.key.split(",")}


def test_the_readme_names_keys_that_there_are() -> None:
    text = re.sub(r"(?s)```.*?```", "", README.read_text("utf-8"))
    bound = {key for place in {**ON_A_RUN, **ON_A_LIST}.values() for binding in place for key in binding.key.split(",")}
    assert written(text) - {"e"} <= bound  # `e` stands for epochs too


async def test_a_held_unit_stands_in_the_header_in_every_pane_until_it_is_free() -> None:
    async with dashboard(size=(80, 24)) as (app, link, pilot):
        await pilot.press("5", "x")  # the letter that held a unit once does nothing
        await pilot.press("H")
        await until(pilot, lambda: "unit 0 held at" in lines_of(app)[0])
        assert len(sent(link, Clamp)) == 1
        await pilot.press("1")
        await until(pilot, lambda: app.dashboard.panes["loss"].has_focus)
        assert "unit 0 held at" in lines_of(app)[0]
        link.send(Clamp(0, 0, None))
        await until(pilot, lambda: "held" not in lines_of(app)[0])


def test_what_is_held_is_said_in_a_few_words() -> None:
    assert held_words([Held(0, 17, -1.0)]) == "unit 17 held at −1"
    assert held_words([Held(1, 3, 0.25)]) == "unit 3 of layer 2 held at 0.25"
    assert held_words([Held(0, 3, 0.0), Held(1, 3, 0.0)]) == "2 units held"


async def test_where_not_all_keys_fit_a_sign_opens_the_palette_which_has_them() -> None:
    async with dashboard(size=(80, 24)) as (app, _, pilot):
        line = lines_of(app)[-1]
        await pilot.click("KeyBar", offset=(line.index("…"), 0))
        await until(pilot, lambda: app.screen is not app.dashboard)
        await pilot.press(*"replacing")
        await until(pilot, lambda: "Check by replacing each character" in text_of(app))


async def test_the_palette_finds_the_keys_of_panes_without_the_focus_and_does_them_there() -> None:
    async with dashboard(size=(80, 24)) as (app, link, pilot):
        commands = offered(app)
        for pane in app.dashboard.all_panes():
            for binding in pane.BINDINGS:
                assert isinstance(binding, Binding)
                can_act = pane.check_action(binding.action.partition("(")[0], ())
                assert not can_act or any(binding.tooltip in title for title in commands), binding.tooltip
        gates = next(title for title in commands if title.startswith("Cells gates: One gate alone"))
        await app.run_worker(commands[gates].callback()).wait()
        await until(pilot, lambda: "gates" in link.view.visible)
        await until(pilot, lambda: "gate r of layer" in text_of(app))


@pytest.mark.parametrize(("word", "title"), [("light", "Light theme"), ("dark", "Dark theme")])
async def test_the_palette_finds(word: str, title: str) -> None:
    async with dashboard() as (app, _, pilot):
        app.theme = "charrnn-dark" if word == "light" else "charrnn-light"
        await pilot.press("ctrl+p", *word)
        await until(pilot, lambda: title in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.theme == f"charrnn-{word}")


async def test_escape_leads_back_to_the_list_only_where_there_is_one_and_not_from_a_moment() -> None:
    async with dashboard() as (app, link, pilot):
        await pilot.press("escape")
        await pilot.pause(0.1)
        assert app.is_running
        assert not sent(link, Stop)
    link = FakeLink()
    link.info = dataclasses.replace(link.info, detached=True)
    async with watching(link, has_list=True) as (app, pilot):
        await pilot.press("left_parenthesis")
        await until(pilot, lambda: app.dashboard.moment is not None)
        await pilot.press("escape")
        await until(pilot, lambda: app.dashboard.moment is None)
        await pilot.press("escape")
        await until(pilot, lambda: not app.is_running)
    assert not sent(link, Stop)  # it goes on


async def test_escape_asks_before_it_ends_a_run_of_this_program() -> None:
    link = FakeLink()
    async with watching(link, has_list=True) as (app, pilot):
        await pilot.press("escape")
        await until(pilot, lambda: "The run ends with this screen" in text_of(app))
