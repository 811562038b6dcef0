"""The view *portrait* of Cells: states as signs in a plane, the path, and what is said of the fixed points."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from rich.cells import cell_len

from engine.session.messages import FixedPoint, Portrait
from tests.tui.fake_run import FakeLink
from tests.tui.one_pane import OnePane
from tui.panes.portrait import PortraitPane
from tui.rendering.colour import palette
from tui.rendering.portrait_picture import PortraitContent, class_sign, fixed_in_words, portrait_picture

SIZES = [(40, 10), (78, 20), (140, 40)]


@pytest.fixture(autouse=True)
def many_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)


def app_with() -> OnePane[PortraitPane]:
    link = FakeLink()
    link.view = dataclasses.replace(link.view, visible=("portrait",))
    return OnePane(PortraitPane(), link)


def portrait(**changes: object) -> Portrait:
    return dataclasses.replace(FakeLink().portrait(1200), **changes)  # type: ignore[arg-type]


def drawn(shown: Portrait, width: int = 60, height: int = 20, place: int = -1) -> list[str]:
    strips = portrait_picture(PortraitContent(shown, place=place), width, height, palette("none"))
    assert [strip.cell_length for strip in strips] == [width] * height
    return [strip.text for strip in strips]


def canvas(lines: list[str]) -> list[str]:
    """The lines of the picture, without the words above and below it."""
    words = next(y for y, line in enumerate(lines) if line.startswith(("Fixed point", "No fixed", "Looking")))
    return lines[2:words]


def test_each_class_lies_where_its_states_are_and_has_a_sign_of_its_own() -> None:
    lines = drawn(portrait(fixed=(), path=np.zeros((0, 2), np.float32), prompt=""))
    places = {
        sign: np.mean(
            [(x, y) for y, line in enumerate(canvas(lines)) for x, char in enumerate(line) if char == sign], 0
        )
        for sign in "_at"
    }
    assert places["_"][0] < places["a"][0] < places["t"][0]  # at x = -2, 0 and 2
    assert places["a"][1] < places["_"][1] < places["t"][1]  # at y = 1, 0 and -1; the first line is the top


def test_a_cell_has_the_sign_that_most_of_its_states_have() -> None:
    points = np.array([[0, 0]] * 5 + [[1, 1]], np.float32)
    shown = portrait(
        points=points, labels=np.array([0, 1, 1, 1, 2, 0], np.uint8), fixed=(), path=np.zeros((0, 2)), prompt=""
    )
    assert "".join(canvas(drawn(shown))).split() == ["_", "a"]


def test_the_path_ends_at_its_place_and_only_the_states_before_it_are_marked() -> None:
    path = np.stack([np.linspace(-2, 2, 12), np.full(12, -1.4)], axis=1)
    shown = portrait(prompt="BCDEFGHIJKLM", path=path, fixed=())
    for place, letters in ((-1, "EFGHIJKLM"), (2, "BCD")):
        lines = drawn(shown, 100, 24, place)
        assert f"after ‹{letters[-1]}› at {11 if place < 0 else 2}" in lines[0]
        assert [char for char in "".join(canvas(lines)) if char.isupper()] == list(letters)


def test_fixed_points_are_drawn_with_their_kind_and_at_the_edge_if_they_lie_outside() -> None:
    lines = drawn(
        portrait(fixed=(FixedPoint(1.0, 1.0, 0.0, 0.9, "stable"), FixedPoint(99.0, -99.0, 0.0, 1.2, "saddle")))
    )
    assert sum(line.count("●") for line in canvas(lines)) == 1
    assert canvas(lines)[-1].endswith("◐")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "‹␣› again and again: ● 1 stable, ◐ 1 saddle, largest |λ| 0.93, 1.4; 9 of 14 starts."),
        ({"tried": 3, "fixed": ()}, "Looking for fixed points while it reads ‹␣› again and again: 3 of 14 starts."),
        ({"tried": 3}, "3 of 14 starts; so far ● 1 stable, ◐ 1 saddle."),
        (
            {"fixed": (), "arrived": 0},
            "No fixed point while it reads ‹␣› again and again: none of 14 starts led to one.",
        ),
        ({"remark": "not in a mingru"}, "Not in a mingru."),
    ],
)
def test_what_is_known_of_the_fixed_points_is_said(changes: dict[str, object], words: str) -> None:
    assert fixed_in_words(portrait(**changes)).endswith(words)


def test_a_fixed_point_that_repels_everywhere_is_no_saddle() -> None:
    around = FixedPoint(-1, 0, 0, 1.5, "repeller"), FixedPoint(0, 0, 0, 1.5, "repeller")
    shown = portrait(fixed=(*around, FixedPoint(1, 0, 0, 1.5, "saddle")))
    assert "◐ 1 saddle, ○ 2 repellers," in fixed_in_words(shown)
    assert sum(line.count("○") for line in canvas(drawn(shown))) == 2


def test_eigenvalues_are_said_with_the_digits_that_tell_stable_from_not() -> None:
    near = portrait(fixed=(FixedPoint(0, 0, 0, 1.0002, "repeller"), FixedPoint(0, 0, 0, 0.99941, "stable")))
    assert "|λ| 0.99941, 1.0002;" in fixed_in_words(near)


def test_signs_of_classes() -> None:
    assert [class_sign(name, 3) for name in ("vowel", "2", "10 … 20", "yes")] == ["a", "2", "3", "+"]


@pytest.mark.parametrize("size", SIZES)
async def test_the_pane_shows_shares_legend_and_words_in_every_size(size: tuple[int, int]) -> None:
    app = app_with()
    async with app.run_test(size=size):
        assert app.lines()[0].startswith("Reading held-out text")
        app.answer()
        lines = app.lines()
        assert all(cell_len(each) == app.pane.size.width for each in lines)
        assert lines[0].startswith("→ 52%, ↑ 21% of the variance")
        assert lines[1].startswith("kind of character  _ blank")
        assert "stable" in app.text()


async def test_keys_choose_the_character_and_the_feature_and_walk() -> None:
    app = app_with()
    async with app.run_test(size=(100, 24)) as pilot:
        app.answer()
        await pilot.press("down", "down", "up", "f")
        await pilot.pause()
        assert app.changes == [
            {"portrait_constant": "e"}, {"portrait_constant": "t"}, {"portrait_constant": "e"},
            {"portrait_feature": "inside quotes"},
        ]  # fmt: skip
        assert "by kind of character → inside quotes … · reads ‹␣› → ‹e› …" in app.lower_border
        app.answer()
        assert app.lower_border.endswith("by inside quotes · reads ‹e›")
        await pilot.press("left", "left")
        assert f"after ‹{app.link.portrait(0).prompt[9]}› at 9" in app.lines()[0]


async def test_a_pattern_typed_in_the_contexts_can_colour_the_states() -> None:
    app = app_with()
    async with app.run_test(size=(100, 24)) as pilot:
        app.pane.take_over({"cells_feature": "/th"})
        app.answer()
        await pilot.press("f", "f")
        await pilot.pause()
        assert app.changes[-1] == {"portrait_feature": "/th"}


async def test_states_that_are_no_numbers_are_left_out() -> None:
    app = app_with()
    async with app.run_test(size=(100, 24)):
        odd = portrait(
            points=np.full((3, 2), np.nan, np.float32), labels=np.zeros(3, np.uint8), shares=(np.nan, np.nan)
        )
        app.pane.show(dataclasses.replace(app.link.snapshot(), portrait=odd))
        assert "variance" in app.text()
