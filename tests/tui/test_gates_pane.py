"""The view *gates*: each unit a point, by how often its gate is open and how often it is shut."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from rich.cells import cell_len

from engine.config import Config
from engine.session.messages import Saturation
from tests.tui.fake_run import FakeLink
from tests.tui.one_pane import OnePane
from tui.panes.gates import GatesPane
from tui.rendering.colour import Depth, palette
from tui.rendering.gates_picture import GatesContent, gates_picture, scatter

SIZES = [(36, 8), (46, 13), (78, 18), (118, 32), (20, 3), (8, 1)]


@pytest.mark.parametrize("depth", ["truecolor", "16", "none"])
def test_a_digit_says_how_many_units_are_in_a_place(depth: Depth) -> None:
    opened = np.array([0.0] * 12 + [1.0, 0.0, 0.0, 0.55])
    shut = np.array([0.0] * 12 + [0.0, 1.0, 1.0, 0.0])
    drawn = scatter(opened, shut, 15, 10, 5, palette(depth))
    text = [strip.text for strip in drawn]
    assert text[0][0] == "2"  # always shut: at the top
    assert (text[4][0], text[4][9], text[4][5]) == ("#", "1", "◆")  # never, always open, the chosen unit
    assert sum(char in "123456789#◆" for line in text for char in line) == 4
    assert any(char not in " 2" for char in text[0])  # the diagonal


def test_the_shares_of_the_chosen_unit_and_the_counts_are_written_out() -> None:
    shut, opened = {"z": np.array([0.95, 0.0, 0.25])}, {"z": np.array([0.0, 0.0, 0.5])}
    content = GatesContent("gru", Saturation(7, 0, 4800, shut, opened), unit=2)
    text = "\n".join(strip.text for strip in gates_picture(content, 100, 20, palette("none")))
    assert "◆ unit 2 · z shut 25% open 50% · step 7 · 4,800 characters" in text
    assert "z: mostly shut 1 · mostly open 0 · never either 1 · of 3 units" in text


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cell", ["gru", "lstm", "mingru", "rnn"])
async def test_it_fits_any_size(size: tuple[int, int], cell: str) -> None:
    app = OnePane(GatesPane(), FakeLink(Config(cell=cell)))
    app.link.view = dataclasses.replace(app.link.view, visible=("gates",))
    async with app.run_test(size=(size[0] + 2, size[1] + 2)):
        app.answer()
        drawn = app.lines()
        assert len(drawn) == size[1]
        assert all(cell_len(line) == size[0] for line in drawn)


async def test_units_gates_and_layers_are_chosen() -> None:
    app = OnePane(GatesPane(), FakeLink(Config(cell="lstm", layers=2)))
    app.link.view = dataclasses.replace(app.link.view, visible=("gates",))
    async with app.run_test(size=(80, 20)) as pilot:
        app.answer()
        assert [gate for gate in "ifo" if f"{gate} · shut" in app.lines()[1]] == ["i", "f", "o"]
        await pilot.press("up", "down", "down", "k", "k", "L")
        await pilot.pause()
        assert app.lines()[0].startswith("◆ unit 2 · i shut")
        assert [gate for gate in "ifo" if f"{gate} · shut" in app.lines()[1]] == ["f"]
        assert app.lower_border == "gate f of layer 1 → 2 …/2"
        app.answer()
        assert (app.changes, app.lower_border) == ([{"gates_layer": 1}], "gate f of layer 2/2")
        for _ in range(140):
            app.pane.action_move(1)
        assert app.lines()[0].startswith("◆ unit 127 · i shut")


async def test_an_rnn_has_none_and_says_so() -> None:
    app = OnePane(GatesPane(), FakeLink(Config(cell="rnn")))
    app.link.view = dataclasses.replace(app.link.view, visible=("gates",))
    async with app.run_test(size=(80, 20)) as pilot:
        app.answer()
        await pilot.press("down", "k", "L")
        assert app.text().startswith("The cell rnn has no gates")
        assert app.lower_border == "no gates"
