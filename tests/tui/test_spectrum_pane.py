"""The view *spectrum*: eigenvalues where they lie, exponents with their signs, and what is said about them."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from rich.cells import cell_len

from engine.config import Config
from engine.session.messages import Eigenvalues, Exponents
from tests.tui.fake_run import FakeLink
from tests.tui.one_pane import OnePane, redrawn
from tui.panes.spectrum import SpectrumPane
from tui.rendering.colour import palette
from tui.rendering.spectrum_picture import SpectrumContent, plane, sentence, spectrum_picture

PLAIN = palette("none")
SIZES = [(36, 8), (46, 13), (78, 18), (118, 32), (20, 3), (8, 1)]


def values(*points: complex) -> np.ndarray:
    return np.array([[point.real, point.imag] for point in points])


def lines(content: SpectrumContent, width: int, height: int) -> list[str]:
    return [strip.text for strip in spectrum_picture(content, width, height, PLAIN)]


def answers(**gates: np.ndarray) -> SpectrumContent:
    return SpectrumContent(
        "gru", Eigenvalues(7, 0, dict(gates)), Exponents(7, np.array([-0.05, -0.2]), 4, 400), (-0.4, -0.05)
    )


# --- picture -------------------------------------------------------------------------------


def test_each_gates_letter_stands_where_its_eigenvalue_lies_and_a_cross_where_several_have_one() -> None:
    drawn = [strip.text for strip in plane({"r": values(0.5j, 0), "z": values(-0.5, 0)}, 42, 21, PLAIN)]
    assert [(y, line.index("r")) for y, line in enumerate(drawn) if "r" in line] == [(5, 21)]  # above the middle
    assert [(y, line.index("z")) for y, line in enumerate(drawn) if "z" in line] == [(10, 11)]  # left of it
    assert [(y, line.index("+")) for y, line in enumerate(drawn) if "+" in line] == [(10, 21)]  # at zero
    edges = [line.strip("⠄ ") for line in drawn]
    assert len(edges[10]) == pytest.approx(42 / 1.1, abs=2)  # the circle has radius 1, and the plane ends at 1.1


def test_a_far_eigenvalue_is_in_the_plane_too_and_what_is_no_number_is_left_out() -> None:
    drawn = [strip.text for strip in plane({"r": values(5), "z": values(complex(math.nan, 0), -1.5)}, 44, 22, PLAIN)]
    assert drawn[11].index("r") == 42  # the plane ends at 2.2, and 5 is drawn at 2
    assert [line.index("z") for line in drawn if "z" in line] == [7]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "mingru"])
async def test_it_fits_any_size(size: tuple[int, int], cell: str) -> None:
    app = OnePane(SpectrumPane(), FakeLink(Config(cell=cell, hidden=16)))
    app.link.view = dataclasses.replace(app.link.view, visible=("spectrum",))
    async with app.run_test(size=(size[0] + 2, size[1] + 2)):
        app.answer()
        drawn = app.lines()
        assert len(drawn) == size[1]
        assert all(cell_len(line) == size[0] for line in drawn)
        assert ("λ₁ −0.050" in app.text()) == (size[0] >= 20)


def test_the_facts_are_those_of_the_answer() -> None:
    text = "\n".join(lines(answers(r=values(0.6 + 0.8j, 0.1), z=values(-2, 1)), 118, 30))
    assert "λ₁ −0.050 · memory time 20 characters" in text
    assert "r ρ 1.00  z ρ 2.00" in text
    assert "step 7 · 2 of 4 exponents · over 400 characters" in text
    assert "λ₁ over the training: −0.400 ▁█ −0.050" in text
    one, two = (line for line in text.splitlines() if "█" in line and "training" not in line)
    assert ("λ₁ −0.050" in one, "λ₂ −0.200" in two) == (True, True)
    assert two.count("█") == 4 * one.count("█") == 40


def test_a_cell_without_w_hh_has_exponents_and_says_why_there_is_no_plane() -> None:
    content = SpectrumContent("mingru", Eigenvalues(7, 0, {}), Exponents(7, np.array([-0.5]), 4, 400))
    text = " ".join(" ".join(lines(content, 78, 18)).split())
    assert "A mingru has no W_hh" in text
    assert "λ₁ −0.500 · memory time 2 characters" in text


def test_what_is_not_there_yet_is_said() -> None:
    assert "Waiting" in lines(SpectrumContent("gru"), 60, 10)[0]
    content = dataclasses.replace(answers(r=values(0.5)), exponents=None)
    assert "λ₁ is being measured …" in "\n".join(lines(content, 60, 10))


@pytest.mark.parametrize(
    ("lambda1", "says", "beyond"),
    [
        (-0.05, "come together, by a factor e in 20 characters", "not say what the network remembers"),
        (0.25, "move apart, by a factor e in 4 characters", "not say that the network predicts badly"),
        (0.004, "near 0", "not say what the network remembers"),
        (-math.inf, "gone after one character", ""),
        (math.nan, "not finite", ""),
    ],
)
def test_it_is_said_what_follows_and_what_does_not(lambda1: float, says: str, beyond: str) -> None:
    assert says in sentence(lambda1)
    assert beyond in sentence(lambda1)


# --- pane ----------------------------------------------------------------------------------


async def test_one_gate_alone_and_the_next_layer() -> None:
    app = OnePane(SpectrumPane(), FakeLink(Config(cell="gru", layers=2, hidden=40)))
    app.link.view = dataclasses.replace(app.link.view, visible=("spectrum",))
    async with app.run_test(size=(80, 20)) as pilot:
        app.answer()
        assert any(letter in app.lines()[9] for letter in "rzn")
        await pilot.press("k", "k", "L")
        await pilot.pause()
        assert app.lower_border == "W_hh: gate z of layer 1 → 2 …/2"
        assert not any(letter in app.lines()[9][:30] for letter in "rzn+")
        app.answer()
        assert app.changes == [{"spectrum_layer": 1}]
        assert app.lower_border == "W_hh: gate z of layer 2/2"
        await pilot.press("k", "k")
        assert app.lower_border == "W_hh: layer 2/2"


@pytest.mark.parametrize(("cell", "border"), [("rnn", "W_hh: layer 1/1"), ("mingru", "no W_hh")])
async def test_keys_without_a_choice_do_nothing(cell: str, border: str) -> None:
    app = OnePane(SpectrumPane(), FakeLink(Config(cell=cell)))
    async with app.run_test(size=(80, 20)) as pilot:
        app.answer()
        await pilot.press("k", "L")
        await pilot.pause()
        assert (app.changes, app.lower_border) == ([], border)


async def test_a_narrow_pane_says_of_which_step_it_is_too() -> None:
    app = OnePane(SpectrumPane())
    app.link.view = dataclasses.replace(app.link.view, visible=("spectrum",))
    async with app.run_test(size=(48, 17)):
        app.pane.show(dataclasses.replace(app.link.snapshot(), step=app.link.step + 5000))
        assert f"step {app.link.step:,} (older): Nearby states come" in app.text()
        assert any(letter in app.text() for letter in "rz")


async def test_the_same_answers_draw_nothing() -> None:
    app = OnePane(SpectrumPane())
    app.link.view = dataclasses.replace(app.link.view, visible=("spectrum",))
    async with app.run_test(size=(80, 20)):
        snapshot = app.link.snapshot()
        app.pane.show(snapshot)
        drawn = redrawn(app.pane)
        app.pane.show(dataclasses.replace(snapshot, exponents=None))  # the answer before is still shown
        app.pane.show(snapshot)
        assert drawn == []
