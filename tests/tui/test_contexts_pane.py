"""The view *contexts* of Cells: the list of units, the places of one of them, and the field for a pattern."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from rich.cells import cell_len
from rich.style import Style

from engine.config import Config
from engine.session.messages import Context, Contexts, SetView
from tests.tui.fake_run import FakeLink
from tests.tui.on_screen import text_of, until
from tests.tui.one_pane import OnePane
from tui.app.app import CharrnnApp
from tui.panes.contexts import ContextsPane
from tui.rendering.colour import palette
from tui.rendering.contexts_picture import ContextsContent, contexts_picture

SIZES = [(40, 8), (80, 20), (140, 40)]


@pytest.fixture(autouse=True)
def many_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)


def app_with(config: Config | None = None) -> OnePane[ContextsPane]:
    link = FakeLink(config or Config(hidden=20))
    link.view = dataclasses.replace(link.view, visible=("contexts",))
    return OnePane(ContextsPane(), link)


def contexts() -> Contexts:
    return app_with().link.contexts(1200)


@pytest.mark.parametrize("size", SIZES)
async def test_units_stand_in_the_order_of_r_beside_the_places_of_the_chosen_one(size: tuple[int, int]) -> None:
    app = app_with()
    async with app.run_test(size=size):
        app.answer()
        lines = app.lines()
        assert all(cell_len(each) == app.pane.size.width for each in lines)
        assert lines[0].startswith("unit 3 · ")
        assert lines[0].startswith("unit 3 · r +0.90 with inside quotes")
        assert size[0] < 60 or "inside quotes · chance 0.11 · " in lines[0]
        assert lines[1].startswith("20 units  r")
        assert [each.split()[:3] for each in lines[2:4]] == [["▸", "3", "+0.90"], ["4", "+0.85", lines[3].split()[2]]]
        assert lines[1].rstrip().endswith("highest h")
        assert any(each.rstrip().endswith("lowest h") for each in lines)


def test_a_feature_that_is_nowhere_is_said_to_be_and_no_unit_follows_it() -> None:
    nowhere = dataclasses.replace(contexts(), feature="/depth", inside=0, measured=1200, correlation=np.zeros(20))
    lines = [strip.text for strip in contexts_picture(ContextsContent(nowhere, "rnn"), 78, 15, palette("none"))]
    assert lines[0].startswith("/depth is nowhere in these 1,200 held-out characters")
    assert "0.00" not in "".join(lines[:3])


async def test_the_character_in_the_middle_is_marked_and_stands_below_the_others() -> None:
    app = app_with()
    async with app.run_test(size=(100, 30)):
        app.answer()
        columns = set()
        for y, place in zip(range(2, 12), contexts().highest, strict=True):
            marked = [x for x, (_, style) in enumerate(app.characters(y)) if style.reverse]
            assert len(marked) == 1
            assert app.characters(y)[marked[0]][0] == place.text[place.mark].replace("\n", "⏎")
            columns.update(marked)
        assert len(columns) == 1


def test_wide_characters_and_places_at_the_ends_of_the_text_stay_in_line() -> None:
    places = (
        Context("狐狸" * 15 + "x" + "狐" * 30, 30, np.linspace(-1, 1, 61)),
        Context("xab", 0, np.array([0.9, 0.1, 0.0])),
        Context("e\u0301\u200dx", 3, np.zeros(4)),
    )
    shown = dataclasses.replace(contexts(), highest=places, lowest=places[::-1])
    for width in (30, 60, 100, 200):
        strips = contexts_picture(ContextsContent(shown, "gru"), width, 12, palette("none"))
        assert [strip.cell_length for strip in strips] == [width] * 12
        columns = set()
        for strip in strips:
            column = 0
            for segment in strip:
                if segment.style is not None and segment.style.reverse:
                    columns.add(column)
                    assert segment.text == "x"
                column += segment.cell_length
        assert len(columns) == 1


@pytest.mark.parametrize("kind", ["h", "z"])
def test_without_colours_dim_is_low_and_bold_is_high(kind: str) -> None:
    low, high = (-1.0, 1.0) if kind == "h" else (0.0, 1.0)
    place = Context("abcd", 3, np.array([low, (low + high) / 2, high, high]))
    shown = dataclasses.replace(contexts(), kind=kind, highest=(place,), lowest=())
    strips = contexts_picture(ContextsContent(shown, "gru"), 60, 12, palette("none"))
    styles = {char: segment.style or Style() for segment in strips[2] for char in segment.text}
    assert [(styles[char].dim, styles[char].bold) for char in "abc"] == [(True, None), (None, None), (None, True)]


async def test_up_and_down_choose_a_unit_and_the_answer_has_its_places() -> None:
    app = app_with()
    async with app.run_test(size=(90, 24)) as pilot:
        app.answer()
        await pilot.press("down", "down", "up")
        assert [change["cells_unit"] for change in app.changes] == [4, 5, 4]
        assert "unit 3 → 4 …" in app.lower_border
        app.answer()
        assert app.lines()[0].startswith("unit 4")
        assert "→" not in app.lower_border
        await pilot.press("pagedown", "pagedown", "pagedown")
        assert app.changes[-1] == {"cells_unit": 2}  # the last one in the order


async def test_a_regular_expression_is_typed_into_a_field_and_becomes_a_feature() -> None:
    app = app_with()
    async with app.run_test(size=(90, 24)) as pilot:
        app.answer()
        await pilot.press("slash", "t", "h", "o", "slash", "left", "k")
        assert app.lines()[1].rstrip() == "/thok/"
        assert not app.changes  # letters are text meanwhile
        await pilot.press("enter")
        await pilot.pause()
        assert app.changes == [{"cells_feature": "/thok/", "cells_unit": -1}]
        app.answer()
        assert "with /thok/ · chance 0.11 · 16 of 20 units beyond" in app.lines()[0]
        assert app.lines()[1].startswith("20 units")
        await pilot.press("f", "f")
        await pilot.pause()
        assert [change["cells_feature"] for change in app.changes[1:]] == ["inside quotes", "after a space"]
        await pilot.press("f")  # the pattern is one of the features
        await pilot.pause()
        assert app.changes[-1]["cells_feature"] == "/thok/"


async def test_what_is_wrong_with_a_pattern_is_said_and_the_field_has_it_again() -> None:
    app = app_with()
    async with app.run_test(size=(90, 24)) as pilot:
        app.answer()
        await pilot.press("slash", "(", "enter")
        await pilot.pause()
        app.answer()
        assert app.lines()[0].rstrip() == "/(: missing ), unterminated subpattern at position 0"
        assert "+0.00" not in app.text()  # nothing follows what is no feature
        await pilot.press("slash")
        assert app.lines()[1].rstrip() == "/("
        await pilot.press("escape")
        assert app.lines()[1].startswith("20 units")
        assert len(app.changes) == 1


async def test_while_a_pattern_is_searched_that_is_said() -> None:
    app = app_with()
    async with app.run_test(size=(90, 24)):
        waiting = dataclasses.replace(contexts(), feature="/a+", waiting=True)
        app.pane.show(dataclasses.replace(app.link.snapshot(), contexts=waiting))
        assert app.lines()[0].rstrip() == "searching /a+ …"


async def test_what_a_pattern_holds_cannot_steer_the_terminal() -> None:
    app = app_with()
    async with app.run_test(size=(90, 24)):
        odd = dataclasses.replace(contexts(), feature="/\x1b[31m\u202e", error="bad \x1b]0;x")
        app.pane.show(dataclasses.replace(app.link.snapshot(), contexts=odd))
        assert not set(app.text()) & {"\x1b", "\u202e"}


async def test_the_map_and_the_contexts_share_unit_kind_and_layer() -> None:
    link = FakeLink(Config(cell="lstm", layers=2, hidden=20))
    app = CharrnnApp(link)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "unit 0" in text_of(app))
        await pilot.press("5", "down", "down", "k", "L", "v")
        await until(pilot, lambda: "unit 2" in text_of(app) and "c of layer 2/2" in text_of(app))
        await pilot.press("up", "L", "v", "v", "v")
        await until(pilot, lambda: "unit 1 · " in text_of(app) and "c of layer 1/2 · by index" in text_of(app))
        views = [command.view for command in link.sent if isinstance(command, SetView)]
        assert (views[-1].cells_unit, views[-1].cells_kind, views[-1].cells_layer) == (1, "c", 0)
        assert {"contexts", "portrait"} <= {name for view in views for name in view.visible}
        await pilot.press("down", "down", "down", "v")
        await until(pilot, lambda: "unit 4" in text_of(app) and "highest c" in text_of(app))
        assert "→" not in str(app.dashboard.current.border_subtitle)
