"""Gradients as histograms and in words, and the pane that shows them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike
from rich.cells import cell_len

from engine.config import Config
from engine.session.messages import Answers, GradientFlow, GradientView, View
from tests.tui.fake_run import FakeLink
from tests.tui.on_screen import text_of
from tests.tui.one_pane import OnePane, redrawn
from tui.panes.gradients import GradientsPane
from tui.rendering import histogram
from tui.rendering.gradient_windows import ratio, spread_norms, typical_norms
from tui.rendering.gradient_words import factor_per_step, matrix_note, ratio_and_spread, ratio_words, summary, verdict
from tui.rendering.numbers import power, two_digits
from tui.rendering.strips import PLAIN

POSITIVE = 10.0 ** np.arange(-12, 3)
EDGES = np.concatenate(([-np.inf], -POSITIVE[::-1], POSITIVE, [np.inf]))
SIZES = [(40, 8), (80, 20), (120, 36), (200, 60)]


def flow(
    norms: ArrayLike, *, step: int = 0, view: GradientView = "single", values: ArrayLike | None = None, **changes: Any
) -> GradientFlow:
    """A flow whose histograms hold `values` (T, N), by default ± the norm."""
    norms = np.asarray(norms, dtype=float)
    if values is None:
        values = np.outer(norms, [-1.0, 1.0])
    counts = np.stack([np.histogram(row, EDGES)[0] for row in np.nan_to_num(values)])
    return GradientFlow(step, view, 0, "h", EDGES, counts, norms, **changes)


# --- histogram -----------------------------------------------------------------------------


def test_columns_keep_every_sum_and_mirror_what_is_mirrored() -> None:
    rng = np.random.default_rng(0)
    side = rng.integers(0, 50, (4, 14))
    counts = np.concatenate([np.full((4, 1), 3), side[:, ::-1], np.full((4, 1), 9), side, np.full((4, 1), 3)], axis=1)
    for width in (7, 20, 33, 90):
        axis = histogram.fit_axis(EDGES, None, width)
        drawn = histogram.columns(counts, axis)
        assert drawn.shape == (4, axis.width)
        assert axis.width <= width
        np.testing.assert_allclose(drawn.sum(axis=1), counts.sum(axis=1))
        np.testing.assert_allclose(drawn, drawn[:, ::-1])
        assert (drawn[:, axis.width // 2] == 9).all()


def test_values_stand_on_their_side_of_zero_the_larger_the_further_out() -> None:
    values = [[-50.0, -1e-9, 0.0, 1e-5, 1e-1]]
    counts = flow([1.0], values=values).counts
    axis = histogram.fit_axis(EDGES, histogram.occupied(counts), 41)
    places = [np.flatnonzero(each)[0] for each in histogram.columns(np.diag(counts[0]), axis) if each.any()]
    assert places == sorted(places)
    assert places[2] == axis.width // 2
    assert places[0] == 1  # the extent ends with the largest value


def test_overflow_is_marked_at_its_end() -> None:
    counts = flow([1.0], values=[[-1e6, 0.5]]).counts
    axis = histogram.fit_axis(EDGES, None, 31)
    level = histogram.heights(histogram.columns(counts, axis))[0]
    (row,) = histogram.bar_rows(level, histogram.column_styles(axis, [PLAIN]))
    text = "".join(glyph for glyph, _ in row)
    assert text[0] == "«"
    assert text[-1] == " "


def test_whatever_is_not_empty_is_seen() -> None:
    levels = histogram.heights(np.array([[0.0, 1.0, 0.0, 0.0, 0.0, 1e6, 0.0]]), rows=2)[0]
    assert levels[1] == 1
    assert levels[5] == 16
    assert levels[0] == 0


def test_axis_names_zero_in_the_middle_and_both_ends() -> None:
    axis = histogram.fit_axis(EDGES, (4, 12), 61)
    labels = histogram.axis_labels(axis)
    assert len(labels) == axis.width
    assert labels[axis.width // 2] == "0"
    assert labels.split()[0] == "−1e0"
    assert labels.split()[-1] == "1e0"


# --- words ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("norms", "words"),
    [
        (np.logspace(-12, -1, 25), "shrinks 10¹¹-fold over 24 steps back: the first steps hardly learn"),
        (np.logspace(-2.2, -1, 25), "shrinks 16-fold over 24 steps back: the first steps learn little"),
        (np.full(25, 0.3), "keeps its size over 24 steps back"),
        (np.logspace(5, -1, 25), "grows 10⁶-fold over 24 steps back: it explodes on this batch"),
        ([0.0, 0.0, 0.0], "Every value is zero"),
        ([0.0, 1e-60, 1e-3, 1.0], "Zero in float32 before t = 2"),
        ([0.5, 0.2, 0.0], "Zero at t = 2"),
        ([0.5, math.inf, 1.0], "not finite"),
        ([0.5, math.nan, 1.0], "not finite"),
        ([0.5], "One time step only"),
        ([5e-45, 1e300], "shrinks 10³⁴⁴-fold"),
    ],
)
def test_verdict(norms: ArrayLike, words: str) -> None:
    assert words in verdict(flow(norms, sigma={"h": 5.0}))


def test_a_large_sigma_alone_is_no_explosion() -> None:
    vanishing = flow(np.logspace(-9, -1, 10), sigma={"h": 40.0}, rho={"h": 30.0})
    assert "explode" not in verdict(vanishing)


@pytest.mark.parametrize(
    ("cell", "sigma", "words"),
    [
        ("rnn", {"h": 1.1}, "needed for an explosion"),
        ("rnn", {"h": 1.0}, "at most 1"),
        ("gru", {"r": 0.3, "z": 1.2, "n": 0.9}, "decides neither"),
        ("lstm", {"i": 0.3, "f": 0.2, "g": 0.95, "o": 0.4}, "decides neither"),
        ("gru", {}, ""),
        ("mingru", {}, "There is no W_hh"),
    ],
)
def test_what_sigma_says_depends_on_the_cell(cell: str, sigma: dict[str, float], words: str) -> None:
    note = matrix_note(flow([1e-2, 1e-1], sigma=sigma), cell)
    assert words in note
    assert bool(note) == bool(words)


def test_a_flat_sum_over_many_losses_is_not_taken_for_a_gradient_that_survives() -> None:
    summed = flow(np.full(10, 1.0), view="training")
    assert "Sums hide vanishing" in verdict(summed)
    assert "keeps its size" in verdict(summed, last_loss_only=True)


@pytest.mark.parametrize(
    ("ratio", "verb", "comparison"),
    [
        (1 / 320, "shrinks 320-fold", "320 times smaller"),
        (12345.0, "grows 12,000-fold", "12,000 times larger"),
        (3e-8, "shrinks 10⁸-fold", "10⁸ times smaller"),
        (1.9, "keeps its size", "about as large"),
        (0.52, "keeps its size", "about as large"),
    ],
)
def test_a_ratio_in_words_is_the_ratio(ratio: float, verb: str, comparison: str) -> None:
    assert ratio_words(math.log10(ratio)) == (verb, comparison)


def windows(*ratios: float, steps: int = 10) -> GradientFlow:
    """A window for each ratio ‖G_0‖/‖G_{T−1}‖; its norms are geometric and end at 1."""
    norms = np.stack([np.geomspace(ratio, 1, steps) for ratio in ratios], axis=1)
    return flow(np.linalg.norm(norms, axis=1), window_norms=norms)


def test_one_window_with_a_large_gradient_does_not_speak_for_the_others() -> None:
    """Together the gradient grows 1.57-fold; in the median window it shrinks 25-fold."""
    uneven = windows(*[0.04] * 15, 6.28)
    assert uneven.norms[0] / uneven.norms[-1] == pytest.approx(1.57, abs=0.01)
    assert "The gradient shrinks 25-fold over 9 steps back in the median of 16 windows" in verdict(uneven)
    assert summary(uneven) == "shrinks 25-fold"
    together = dataclasses.replace(uneven, window_norms=None)
    assert "The gradient keeps its size over 9 steps back: " in verdict(together)
    assert ratio_and_spread(together) == "1.57"


def test_median_and_spread_of_the_windows() -> None:
    ratios = [10.0**-power for power in (5, 1, 9, 3, 7, 2, 8, 4, 6, 0, 10)]
    assert "in the median of 11 windows: " in verdict(windows(*ratios))
    assert ratio_and_spread(windows(*ratios)) == "1.0e-5 (1.0e-9 … 0.10)"
    low, high = np.asarray(spread_norms(windows(*ratios)))
    np.testing.assert_allclose([low[0], high[0], low[-1], high[-1]], [1e-9, 1e-1, 1, 1])
    assert typical_norms(windows(*ratios))[0] == pytest.approx(1e-5)
    assert typical_norms(windows(1.0, 3.0))[0] == 2  # halfway between two
    assert "shrinks 2-fold over 9 steps back: " in verdict(windows(0.5))  # there is no median of one


def test_windows_in_which_nothing_is_left_count_as_the_smallest() -> None:
    norms = np.array([[0.0, 0.0, 0.5], [1.0, 1.0, 1.0]])
    gone = flow(np.linalg.norm(norms, axis=1), window_norms=norms)
    assert verdict(gone) == "In at least half of 3 windows nothing of the last loss reaches t = 0."
    assert summary(gone) == "shrinks to zero"
    silent = np.array([[0.0, 0.1, 0.1], [0.0, 1.0, 1.0]])  # a window that has no loss is not compared
    assert ratio(flow(np.linalg.norm(silent, axis=1), window_norms=silent)).median == pytest.approx(0.1)


async def test_the_median_has_a_line_through_most_windows() -> None:
    app = OnePane(GradientsPane(), FakeLink(Config(cell="lstm")))
    async with app.run_test(size=(100, 16)):
        flows = [windows(*np.geomspace(1e-8, 1e-4, 11)), dataclasses.replace(windows(1e-6), step=1, window_norms=None)]
        app.pane.show(dataclasses.replace(app.link.snapshot(), gradients=flows[0]))
        (row,) = [line for line in app.lines() if line.startswith("t=0 ")]
        # The axis, from 10^-8 to 1, has 24 places: the median 10^-6 is at 6, and four of five lie on 10^-7.6 … 10^-4.4.
        assert row.partition("1.0e-6 ")[2].replace("┊", " ").rstrip() == " ─────●────"
        assert "11 windows" in app.lines()[0]
        assert "‖G_0‖/‖G_9‖ 1.0e-6 (2.5e-8 … 4.0e-5)" in app.text()
        app.pane.show(dataclasses.replace(app.link.snapshot(), gradients=flows[1]))
        assert "─" not in app.text()
        assert "all windows together" in app.lines()[0]


def test_factor_per_step_of_a_geometric_triangle() -> None:
    lag = np.arange(8)[:, None] - np.arange(8)
    triangle = np.where(lag >= 0, 3.0 * 0.7 ** np.abs(lag), 0.0)
    assert factor_per_step(triangle) == pytest.approx(0.7)
    assert math.isnan(factor_per_step(np.eye(4)))


# --- pane ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
async def test_first_and_last_time_step_are_always_seen_newest_on_top(size: tuple[int, int]) -> None:
    app = OnePane(GradientsPane(), FakeLink(Config(cell="lstm")))
    async with app.run_test(size=size):
        app.answer()
        labels = [line.split()[0] for line in app.lines() if line.strip().startswith("t=")]
        assert labels[0] == "t=49"
        assert labels[-1] == "t=0"
        assert all(cell_len(line) == app.pane.size.width for line in app.lines())
        assert "‖G_0‖/‖G_49‖" in app.text()


async def test_at_a_moment_the_gradients_are_those_of_its_weights() -> None:
    app = OnePane(GradientsPane(), FakeLink(reports=64))
    async with app.run_test(size=(100, 24)):
        app.answer()
        assert "step 640 · live" in app.lines()[0]
        app.look_at(320)
        assert "step 320 · moment" in app.lines()[0]
        app.link.advance(200)  # it is never too old
        app.answer()
        assert "step 320 · moment" in app.lines()[0]
        app.look_at(None)
        assert "step 2,640 · live" in app.lines()[0]


@pytest.mark.parametrize("height", range(28, 36))
async def test_the_last_line_says_what_the_verdict_ends_with(height: int) -> None:
    app = OnePane(GradientsPane(), FakeLink(Config(seq=60), reports=64))
    async with app.run_test(size=(80, height)):
        app.answer()
        assert app.lines()[-1].rstrip().endswith(".")


@pytest.mark.parametrize("size", SIZES)
async def test_now_and_a_moment_are_told_apart_without_colour(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = OnePane(GradientsPane(), FakeLink(reports=64))
    async with app.run_test(size=size):
        app.answer()
        app.look_at(10, beside_now=True)
        assert "● step 640 · now" in app.lines()[0]
        assert "○ step 10" in app.lines()[0]
        index = next(i for i, line in enumerate(app.lines()) if line.strip().startswith("t=0 "))
        late, early = app.lines()[index].split("●")[1].split(), app.lines()[index + 1].split("○")[1].split()
        norms = [np.median(np.asarray(app.link.gradients(step).window_norms)[0]) for step in (10, 640)]
        assert [power(norm) in each for norm, each in zip(norms, (early, late), strict=True)] == [True, True]
        assert early != late
        app.look_at(10)
        assert "○" not in app.text()


async def test_what_cannot_be_compared_is_not_laid_over() -> None:
    app = OnePane(GradientsPane(), FakeLink(reports=64))
    async with app.run_test(size=(100, 24)):
        app.look_at(10, beside_now=True)
        assert "○" in app.text()
        now = Answers(dataclasses.replace(app.link.gradients(640), layer=1))
        app.pane.show(dataclasses.replace(app.link.snapshot(), now=now))
        assert "○" not in app.text()
        assert "step 10 · moment" in app.lines()[0]


async def test_view_layer_and_state_are_asked_for_where_they_exist() -> None:
    app = OnePane(GradientsPane(), FakeLink(Config(cell="lstm", layers=2)))
    async with app.run_test(size=(100, 24)) as pilot:
        app.pane.choose_view("training")
        await pilot.press("L", "k")
        await pilot.pause()
        assert app.link.view.gradient_view == "training"
        assert app.link.view.gradient_layer == 1
        assert app.link.view.gradient_state == "c"
    app = OnePane(GradientsPane(), FakeLink(Config(cell="gru", layers=1)))
    async with app.run_test(size=(100, 24)) as pilot:
        await pilot.press("L", "k")
        await pilot.pause()
        assert app.changes == []


@pytest.mark.parametrize("size", SIZES)
async def test_triangle_counts_powers_of_ten(size: tuple[int, int]) -> None:
    app = OnePane(GradientsPane(), FakeLink(Config(seq=10)))
    app.link.view = View(gradient_view="triangle")
    async with app.run_test(size=size):
        app.answer()
        rows = [line.split() for line in app.lines() if line.strip().startswith("s=")]
        assert rows[0][0] == "s=9"
        assert rows[-1] == ["s=0", "0"]
        assert "".join(rows[0][1:])[-1] == "0"


@pytest.mark.parametrize("width", [48, 70, 100])
async def test_the_triangle_says_what_its_glyphs_mean(width: int) -> None:
    app = OnePane(GradientsPane(), FakeLink(Config(seq=10)))
    app.link.view = View(gradient_view="triangle")
    async with app.run_test(size=(width, 24)):
        app.answer()
        (legend,) = [line for line in app.lines() if line.startswith(("a digit:", "digits:"))]
        triangle = app.link.gradients(app.link.step).triangle
        assert triangle is not None
        assert two_digits(float(triangle.max())) in legend.replace(";", " ").replace(",", " ").split()
        assert legend.rstrip().endswith(("× 0", "× exactly 0"))


async def test_equal_data_draws_nothing_and_a_moment_draws_only_what_differs() -> None:
    app = OnePane(GradientsPane())
    async with app.run_test(size=(100, 24)) as pilot:
        snapshot = app.link.snapshot()
        app.pane.show(snapshot)
        await pilot.pause()
        drawn = redrawn(app.pane)
        app.pane.show(snapshot)
        app.pane.repaint()
        assert drawn == []
        app.link.advance()
        app.pane.show(app.link.snapshot())  # the same gradients at a later step
        assert drawn == [0]


async def test_what_came_while_the_pane_was_hidden_is_seen_when_it_is_shown_again() -> None:
    app = OnePane(GradientsPane())
    async with app.run_test(size=(100, 24)) as pilot:
        app.answer()
        await pilot.pause()
        app.pane.display = False
        await pilot.pause()
        app.link.advance(10)
        app.answer()
        app.pane.display = True
        await pilot.pause()
        assert "step 1,300" in text_of(app)


async def test_gradients_that_cannot_be_drawn_are_said_to_be_so() -> None:
    app = OnePane(GradientsPane())
    async with app.run_test(size=(100, 24)):
        for norms in ([0.0] * 5, [math.nan] * 5, [math.inf, 1.0]):
            broken = flow(norms, sigma={"h": math.nan}, rho={"h": math.inf})
            app.pane.show(dataclasses.replace(app.link.snapshot(), gradients=broken))
            assert verdict(broken) in app.text()


async def test_of_a_run_that_has_ended_the_newest_is_the_last() -> None:
    app = OnePane(GradientsPane(), FakeLink(reports=64))
    async with app.run_test(size=(100, 24)):
        app.answer()
        app.pane.show(dataclasses.replace(app.link.snapshot(), state="stopped"))
        assert "step 640 · last" in app.lines()[0]


def test_keys_can_be_looked_up_before_it_knows_the_run() -> None:
    assert not GradientsPane().check_action("state", ())
