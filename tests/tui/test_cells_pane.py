"""Units over the text, as colours and as marks, and the pane in which they are chosen and held."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

import numpy as np
import pytest
from rich.cells import cell_len

from engine.config import Config
from engine.session.messages import Answers, Cells, Clamp, Feature
from tests.tui.fake_run import FakeLink
from tests.tui.one_pane import OnePane, redrawn
from tui.panes.cells import CellsPane
from tui.rendering.cells_picture import CellsContent, cells_picture
from tui.rendering.colour import Depth, palette
from tui.rendering.numbers import signed
from tui.rendering.unit_colours import heat_row, limits, ramp_for, scaled, sign_mark

SIZES = [(40, 8), (80, 20), (140, 40)]
BEST = (Feature("upper case", 2, 0.31, 0.08), Feature("bracket depth", 4, -0.93, 0.25))


@pytest.fixture(autouse=True)
def many_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)


def activations(text: str = "one two", units: int = 6, **changes: Any) -> Cells:
    """Unit u has the value that goes from -1 to 1 with u, everywhere."""
    values = np.linspace(-1, 1, units)[:, None] * np.ones((1, len(text)))
    message = Cells(10, text, 0, "h", values, np.arange(units), np.arange(units, dtype=float))
    return dataclasses.replace(message, **changes)


def show(app: OnePane[CellsPane], message: Cells) -> None:
    app.pane.show(dataclasses.replace(app.link.snapshot(), cells=message))


def rows(app: OnePane[CellsPane]) -> list[str]:
    """The units that are seen, from the top."""
    return [match[1] for line in app.lines()[2:] if (match := re.match(r"[▸ ] *(\d+)[= ]", line))]


# --- numbers as colours --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "kind", "expected"),
    [
        ("gru", "h", (-1, 1)),
        ("gru", "n", (-1, 1)),
        ("gru", "z", (0, 1)),
        ("lstm", "g", (-1, 1)),
        ("lstm", "i", (0, 1)),
        ("lstm", "c", (-5, 5)),
    ],
)
def test_limits_do_not_depend_on_the_values_but_for_c(cell: str, kind: str, expected: tuple[float, float]) -> None:
    assert limits(kind, cell, np.array([-3.2, 0.1])) == expected


def test_the_limit_of_c_is_symmetric_and_finite() -> None:
    assert limits("c", "lstm", np.zeros(2)) == (-1, 1)
    assert limits("c", "lstm", np.array([np.inf, np.nan])) == (-1e9, 1e9)


@pytest.mark.parametrize("depth", ["truecolor", "256", "16", "none"])
def test_below_above_and_zero_are_told_apart_at_every_depth(depth: Depth) -> None:
    ramp = ramp_for(palette(depth), -1.0)
    below, zero, above = heat_row(scaled(np.array([-2.0, 0.0, 2.0]), -2, 2), [1, 1, 1], ramp)
    assert len({below, zero, above}) == 3
    if depth == "none":
        assert len({below[0], zero[0], above[0]}) == 3


def test_signs_grow_with_the_value() -> None:
    assert "".join(map(sign_mark, (-1.0, -0.5, -0.2, 0.0, 0.2, 0.5, 1.0, float("nan")))) == "▼▾- +▴▲ "


# --- pane ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
async def test_units_in_the_order_that_was_asked_for_under_the_text(size: tuple[int, int]) -> None:
    app = OnePane(CellsPane())
    async with app.run_test(size=size):
        show(app, activations(order=np.array([3, 1, 5, 0, 2, 4])))
        assert app.lines()[1].split() in (["o", "n", "e", "t", "w", "o"], ["one", "two"])
        assert rows(app) == ["3", "1", "5", "0", "2", "4"][: len(rows(app))]
        assert len(rows(app)) >= 3
        assert all(cell_len(line) == app.pane.size.width for line in app.lines())
        assert app.lines()[0].startswith("unit 3 · +0.20 after ‹o›")


async def test_orange_below_zero_blue_above() -> None:
    app = OnePane(CellsPane())
    async with app.run_test(size=(80, 20)):
        show(app, activations())
        colours = palette("truecolor").diverging.styles
        column = app.lines()[1].index("o")
        shown = [app.characters(y)[column][1].bgcolor for y in (2, 7)]
        assert shown == [colours[0].bgcolor, colours[-1].bgcolor]


async def test_marks_stand_in_for_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = OnePane(CellsPane())
    async with app.run_test(size=(80, 20)):
        show(app, activations())
        assert app.lines()[2].split()[-1] == "▼" * 21  # three columns for each character of a short text
        assert app.lines()[7].split()[-1] == "▲" * 21


async def test_choosing_a_unit_colours_the_text() -> None:
    app = OnePane(CellsPane())
    async with app.run_test(size=(80, 20)) as pilot:
        show(app, activations())
        await pilot.press("down", "down", "down", "down", "down", "down")
        assert app.lines()[0].startswith("unit 5")
        column = app.lines()[1].index("o")
        blue = palette("truecolor").diverging.styles[-1].bgcolor
        assert app.characters(1)[column][1].bgcolor == blue
        await pilot.press("enter")
        assert app.lines()[1].startswith("one two")
        assert app.lines()[2].strip() == "▲" * 7
        assert app.characters(1)[0][1].bgcolor == blue
        await pilot.press("up")
        assert app.lines()[0].startswith("unit 4")


async def test_the_chosen_unit_stays_on_the_screen_and_pages_move_it() -> None:
    app = OnePane(CellsPane())
    async with app.run_test(size=(40, 8)) as pilot:
        show(app, activations(units=100))
        await pilot.press("pagedown")
        seen = rows(app)
        assert app.lines()[0].startswith(f"unit {seen[0]} ")
        assert seen[0] == str(len(seen))
        for key, unit in (("up", len(seen) - 1), ("pageup", 0)):
            await pilot.press(key)
            assert app.lines()[0].startswith(f"unit {unit} ")
            assert str(unit) in rows(app)


async def test_a_long_text_ends_at_the_right_and_scrolls_back() -> None:
    text = "".join(f"{n:03d} " for n in range(40)) + "漢字\n\x1b"
    app = OnePane(CellsPane())
    async with app.run_test(size=(40, 8)) as pilot:
        show(app, activations(text))
        assert "漢字⏎␛" in app.lines()[1]
        assert "…" in app.lines()[1]
        await pilot.press("left")
        assert "漢字" not in app.lines()[1]
        assert "038" in app.lines()[1]
        for _ in range(3):
            app.pane.action_scroll(80)
        assert "000 001" in app.lines()[1]
        assert all(cell_len(line) == app.pane.size.width for line in app.lines())


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_what_is_known_about_the_units(size: tuple[int, int]) -> None:
    app = OnePane(CellsPane())
    async with app.run_test(size=size):
        show(
            app,
            activations(
                best=BEST,
                saturation={"r": (0.12, 0.5)},
                depth_accuracy=0.991,
                depth_untrained=0.64,
                depth_majority=0.31,
                clamped=((1, 0.5),),
                clamp_effect=0.0312,
            ),
        )
        beside = -36 if size[0] > 96 else 0
        text = " ".join(" ".join(line[beside:] for line in app.lines()).split())
        assert "bracket depth: unit 4, r −0.93 (chance 0.25)" in text
        assert text.index("bracket depth: unit 4") < text.index("upper case: unit 2")
        assert "gate r: 12% < 0.1, 50% > 0.9" in text
        assert "depth read out of h: 99% (untrained 64%, majority 31%)" in text
        assert "unit 1 held at +0.50" in text
        assert "validation loss +0.0312 nats" in text


async def test_no_unit_is_named_where_chance_explains_its_correlation() -> None:
    app = OnePane(CellsPane())
    async with app.run_test(size=(80, 24)):
        show(app, activations(best=(Feature("upper case", None, -0.08, 0.11),)))
        assert "upper case: none above chance (0.11)" in app.text()
        assert "−0.08" not in app.text()


async def test_the_head_says_how_many_of_the_units_are_in_view() -> None:
    app = OnePane(CellsPane(), FakeLink(Config(hidden=64)))
    async with app.run_test(size=(120, 20)):
        app.answer()
        rows = sum(line[:5].strip(" ▸=").isdigit() for line in app.lines())
        assert 4 < rows < 64
        assert f"· {rows}/64 units" in app.lines()[0]
    app = OnePane(CellsPane(), FakeLink(Config(hidden=8)))
    async with app.run_test(size=(120, 20)):
        app.answer()
        assert "/8 units" not in app.text()


async def test_the_title_names_what_is_shown_until_what_was_asked_for_comes() -> None:
    app = OnePane(CellsPane(), FakeLink(Config(cell="lstm", layers=2)))
    async with app.run_test(size=(80, 20)) as pilot:
        app.answer()
        await pilot.press("k", "L")
        await pilot.pause()
        assert app.lower_border == "h → c … of layer 1 → 2 …/2 · by index"
        app.answer()
        assert app.lower_border == "c of layer 2/2 · by index"


async def test_facts_say_which_step_they_are_of_and_an_unknown_effect_that_it_is() -> None:
    app = OnePane(CellsPane())
    async with app.run_test(size=(200, 40)):
        show(app, activations(best=BEST, known_step=7, clamped=((2, 1.0),), clamp_effect=math.nan))
        assert "at step 7:" in app.text()
        assert "validation loss: unknown" in app.text()


async def test_kind_layer_and_order_are_asked_for_where_they_exist() -> None:
    app = OnePane(CellsPane(), FakeLink(Config(cell="lstm", layers=2)))
    async with app.run_test(size=(80, 20)) as pilot:
        app.answer()
        await pilot.press("k", "L", "f", "f")
        await pilot.pause()
        assert (app.link.view.cells_kind, app.link.view.cells_layer) == ("c", 1)
        assert app.link.view.cells_sort == "inside quotes"
        await pilot.press("f", "f")
        await pilot.pause()
        assert app.link.view.cells_sort == "index"
        app.pane.take_over({"cells_feature": "/a+"})  # as the contexts ask for it
        await pilot.press("f", "f", "f", "f")
        await pilot.pause()
        assert app.link.view.cells_sort == "/a+"
    app = OnePane(CellsPane(), FakeLink(Config(cell="rnn")))
    async with app.run_test(size=(80, 20)) as pilot:
        app.answer()
        await pilot.press("k", "L")
        await pilot.pause()
        assert app.changes == []


async def test_holding_a_unit_goes_round_and_shows_its_effect() -> None:
    app = OnePane(CellsPane())
    async with app.run_test(size=(80, 20)) as pilot:
        app.answer()
        present = round(float(app.link.cells(app.link.step).values[1, -1]), 2)
        await pilot.press("down", "H")
        await pilot.pause()
        assert f"holding unit 1 at {signed(present)} …" in app.text()
        app.answer()
        assert f"unit 1 held at {signed(present)} · validation loss +0.0310 nats" in app.text()
        assert any(line.startswith("▸  1=") for line in app.lines())
        for _ in range(4):
            await pilot.press("H")
            await pilot.pause()
            app.answer()
        assert app.commands == [Clamp(0, 1, value) for value in (present, 0.0, 1.0, -1.0, None)]
        assert "held" not in app.text()


@pytest.mark.parametrize("unit", [0, 5])
async def test_a_unit_at_exactly_one_or_minus_one_is_held_at_every_value(unit: int) -> None:
    app = OnePane(CellsPane())
    async with app.run_test(size=(80, 20)) as pilot:
        show(app, activations())  # unit 0 is at -1, unit 5 at 1
        await pilot.press(*["down"] * unit, *["H"] * 4)
        assert app.commands == [Clamp(0, unit, value) for value in (0.0, 1.0, -1.0, None)]


async def test_a_unit_is_being_held_until_the_run_has_obeyed() -> None:
    app = OnePane(CellsPane())
    async with app.run_test(size=(80, 20)) as pilot:
        app.answer()
        before = app.link.snapshot()
        await pilot.press("down", "H", "H")  # faster than the run answers: the second goes on from the first
        await pilot.pause()
        assert app.commands[-1] == Clamp(0, 1, 0.0)
        app.pane.show(dataclasses.replace(before, step=before.step + 2000))  # made before the command
        assert "holding unit 1 at +0.00 …" in app.text()
        app.answer()
        assert "holding" not in app.text()
        assert "unit 1 held at +0.00" in app.text()
        await pilot.press("H")
        assert "holding" in app.text()
        app.pane.forget_requests()
        await pilot.press("up")
        assert "holding" not in app.text()


@pytest.mark.parametrize("colours", ["truecolor", "none"])
async def test_now_stands_above_the_moment_of_each_unit(colours: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if colours == "none":
        monkeypatch.setenv("NO_COLOR", "1")
    app = OnePane(CellsPane())
    then = activations(order=np.array([3, 1, 5, 0, 2, 4]))
    now = activations(step=990, values=-then.values)
    async with app.run_test(size=(90, 18)) as pilot:
        app.pane.look_at(10)
        app.pane.show(dataclasses.replace(app.link.snapshot(), cells=then, now=Answers(cells=now)))
        assert "+0.20 after ‹o›, now −0.20 · ● now, step 990 · ○ step 10" in app.lines()[0]
        assert rows(app) == ["3", "1", "5", "0", "2", "4"]  # the order of the moment
        marks = [line[:6].split()[-1] for line in app.lines()[2:14]]
        assert marks == ["●", "○"] * 6
        column = app.lines()[1].index("o")
        above, below = (app.characters(y)[column] for y in (6, 7))  # of unit 5
        ramp = palette("truecolor" if colours == "truecolor" else "none").diverging
        if colours == "truecolor":
            assert [above[1].bgcolor, below[1].bgcolor] == [ramp.styles[0].bgcolor, ramp.styles[-1].bgcolor]
        else:
            assert [above[0], below[0]] == ["▼", "▲"]
        await pilot.press("enter")  # the whole text, too
        assert [line[0] for line in app.lines()[1:4:2]] == ["●", "○"]
        app.pane.show(dataclasses.replace(app.link.snapshot(), cells=then))
        assert "○" not in app.text()


def test_of_a_state_without_bounds_now_and_the_moment_have_one_scale() -> None:
    then = activations(kind="c", values=np.full((6, 7), 0.4))
    now = dataclasses.replace(then, values=np.full((6, 7), 4.0))
    content = CellsContent(then, "lstm", unit=0, now=now)
    strips, _ = cells_picture(content, 90, 18, palette("none"))
    assert "▼ −5 … ▲ 5" in strips[0].text
    alone, _ = cells_picture(dataclasses.replace(content, now=None), 90, 18, palette("none"))
    assert "▼ −1 … ▲ 1" in alone[0].text


def test_what_is_of_other_numbers_is_not_laid_over_a_moment() -> None:
    """Another layer or kind was asked for, and only one of the two has been answered."""
    for change in ({"layer": 1}, {"kind": "z"}, {"text": "six two"}):
        now = dataclasses.replace(activations(), **change)
        content = CellsContent(activations(), "gru", unit=0, now=now)
        strips, _ = cells_picture(content, 90, 18, palette("none"))
        assert "●" not in "".join(strip.text for strip in strips)


async def test_units_of_a_run_that_has_ended_cannot_be_held() -> None:
    app = OnePane(CellsPane())
    async with app.run_test(size=(80, 20)) as pilot:
        app.pane.show(dataclasses.replace(app.link.snapshot(), live=False))
        await pilot.press("H")
        await pilot.pause()
        assert app.commands == []


async def test_equal_activations_draw_nothing_and_one_changed_unit_one_line() -> None:
    app = OnePane(CellsPane())
    async with app.run_test(size=(80, 20)) as pilot:
        show(app, activations())
        await pilot.pause()
        drawn = redrawn(app.pane)
        show(app, activations())
        assert drawn == []
        values = activations().values.copy()
        values[3] = -0.9
        show(app, activations(values=values))
        assert drawn == [5]


@pytest.mark.parametrize(("depth", "scale"), [("truecolor", "orange (-) −1 … blue 1"), ("none", "▼ −1 … ▲ 1")])
def test_the_legend_names_what_is_seen(depth: Depth, scale: str) -> None:
    content = CellsContent(FakeLink().cells(0), "gru", unit=0)
    strips, _ = cells_picture(content, 118, 20, palette(depth))
    assert scale in strips[0].text
    assert ("orange" in strips[0].text) == (depth == "truecolor")
