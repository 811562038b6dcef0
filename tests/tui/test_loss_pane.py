"""The loss chart, the part of it that is visible, and the pane with its keys."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import Any

import numpy as np
import pytest
from rich.style import Style
from textual.strip import Strip

from engine.session.messages import History, Ladder, Rung
from tests.tui.fake_run import FakeLink
from tests.tui.on_screen import until
from tests.tui.one_pane import OnePane, redrawn
from tui.panes import loss as loss_module
from tui.panes.loss import LossPane
from tui.rendering.axes import VisibleRange
from tui.rendering.loss_chart import Along, LossStyles, LossView, at_cursor, climbing, extent, loss_chart, translate

PLAIN = LossStyles(*[Style()] * 6)
LADDER = Ladder((Rung(2, 2.9), Rung(3, 2.4), Rung(5, 1.8), Rung(7, 1.6)), 900_000)


def history(points: int = 100, **changes: Any) -> History:
    """A loss that falls from 4 to 2 in equal steps of 10, validated at every tenth point, 0.1 above it."""
    steps = 10 * np.arange(1, points + 1)
    smoothed = np.linspace(4, 2, points)
    every = slice(9, None, 10)
    arrays = History(
        step=steps,
        epoch=steps / 500,
        seconds=steps / 20,
        loss=smoothed + 0.01,
        smoothed=smoothed,
        val_step=steps[every],
        val_epoch=steps[every] / 500,
        val_seconds=steps[every] / 20,
        val_loss=smoothed[every] + 0.1,
        reach_step=steps[:0],
        reach=smoothed[:0],
        reach_se=smoothed[:0],
        lambda1_step=steps[:0],
        lambda1=smoothed[:0],
    )
    return dataclasses.replace(arrays, **changes)


# --- the visible range --------------------------------------------------------------------------


def test_a_window_follows_the_newest_point() -> None:
    visible = VisibleRange().zoom(0.5, None, 0, 100)
    assert visible.limits(0, 100) == (50, 100)
    assert visible.limits(0, 130) == (80, 130)


def test_zooming_out_ends_at_everything() -> None:
    assert VisibleRange().zoom(0.5, None, 0, 100).zoom(2, None, 0, 100) == VisibleRange()


def test_zoom_keeps_the_cursor_where_it_is_on_the_screen() -> None:
    visible = VisibleRange().zoom(0.5, 20, 0, 100)
    low, high = visible.limits(0, 100)
    assert high - low == 50
    assert (20 - low) / (high - low) == pytest.approx(0.2)


def test_zoom_has_an_end() -> None:
    visible = VisibleRange()
    for _ in range(100):
        visible = visible.zoom(0.5, None, 0, 1000)
    low, high = visible.limits(0, 1000)
    assert high - low == pytest.approx(1)


def test_panning_holds_the_window_until_it_is_back() -> None:
    visible = VisibleRange().zoom(0.5, None, 0, 100)
    past = visible.pan(-0.5, 0, 100)
    assert past.limits(0, 100) == past.limits(0, 140) == (25, 75)
    assert past.pan(-9, 0, 100).limits(0, 100) == (0, 50)
    assert past.pan(9, 0, 100).limits(0, 140) == (90, 140)
    assert VisibleRange().pan(-0.5, 0, 100) == VisibleRange()


def test_reveal_moves_no_further_than_needed() -> None:
    visible = VisibleRange(50, 75)
    assert visible.reveal(60, 0, 100) == visible
    assert visible.reveal(10, 0, 100).limits(0, 100) == (10, 60)
    assert visible.reveal(90, 0, 100).limits(0, 100) == (40, 90)


# --- the chart -------------------------------------------------------------------------------


def test_losses_are_drawn_in_the_unit_asked_for() -> None:
    nats = loss_chart(history(), LossView(), PLAIN, (70, 16), ladder=LADDER)
    bits = loss_chart(history(), LossView(unit="bits"), PLAIN, (70, 16), ladder=LADDER)
    for one, other in zip(nats.curves, bits.curves, strict=True):
        np.testing.assert_allclose(other.y, one.y / math.log(2))
    assert [level.y for level in bits.levels] == pytest.approx([rung.loss / math.log(2) for rung in LADDER.rungs])


@pytest.mark.parametrize(("along", "last"), [("step", 1000), ("epoch", 2), ("time", 50)])
def test_along(along: Along, last: float) -> None:
    chart = loss_chart(history(), LossView(along=along), PLAIN, (70, 16))
    assert chart.x.low == pytest.approx(last / 100)
    assert last <= chart.x.high <= last * 33 / 32
    assert chart.curves[1].x[-1] == last


def test_the_limits_stay_while_there_is_room_for_new_points() -> None:
    assert extent(history(101), "step") == extent(history(102), "step")
    assert extent(history(100), "step") != extent(history(150), "step")


def test_the_next_rung_of_the_ladder_is_in_sight() -> None:
    chart = loss_chart(history(), LossView(), PLAIN, (70, 16), ladder=LADDER)
    assert 1.6 < chart.y.low < 1.8 < chart.y.high
    assert loss_chart(history(), LossView(ladder=False), PLAIN, (70, 16), ladder=LADDER).y.low > 1.8


def test_the_entropy_is_in_sight_and_named() -> None:
    chart = loss_chart(history(), LossView(ladder=False), PLAIN, (70, 16), ladder=LADDER, entropy=0.4869)
    assert chart.y.low < 0.4869
    assert [(level.y, level.label) for level in chart.levels] == [(0.4869, "entropy")]


def test_one_outlier_does_not_squeeze_the_rest() -> None:
    loss = history(600).loss.copy()
    loss[300] = 1e6
    assert loss_chart(history(600, loss=loss), LossView(), PLAIN, (70, 16)).y.high < 5


@pytest.mark.parametrize("log", [False, True])
def test_losses_that_are_no_numbers_leave_the_others_visible(log: bool) -> None:
    loss = history().loss.copy()
    loss[50:] = np.nan
    loss[40] = np.inf
    chart = loss_chart(history(loss=loss, smoothed=loss), LossView(log=log), PLAIN, (70, 16))
    assert 1 < chart.y.low < chart.y.high < 5


def test_the_validation_loss_at_the_cursor_is_the_last_one_until_there() -> None:
    """So it is that of the samples and of the status line at that step, and none before the first validation."""
    losses = history().val_loss
    for cursor, expected in ((5.0, None), (94.0, None), (100.0, losses[0]), (190.0, losses[0]), (203.0, losses[1])):
        reading = at_cursor(history(), LossView(cursor=cursor))
        assert reading is not None
        assert reading.validation == expected
    for view in (LossView(along="epoch", cursor=200 / 500), LossView(along="time", cursor=200 / 20)):
        reading = at_cursor(history(), view)
        assert reading is not None
        assert reading.validation == losses[1]


def test_read_gives_the_values_nearest_to_the_cursor() -> None:
    reading = at_cursor(history(), LossView(cursor=203))
    index = 19
    assert reading is not None
    assert (reading.step, reading.raw, reading.smoothed, reading.validation) == (
        200,
        history().loss[index],
        history().smoothed[index],
        history().val_loss[1],
    )
    assert at_cursor(history(), LossView()) is None


def test_another_x_shows_the_same_part() -> None:
    view = LossView(visible=VisibleRange(200, 600), cursor=500)
    moved = translate(view, history(), "time")
    assert moved.visible.limits(*extent(history(), "time")) == pytest.approx((20, 30))
    assert moved.cursor == pytest.approx(25)
    following = translate(LossView(visible=VisibleRange(200)), history(), "epoch")
    assert following.visible.right is None


# --- the pane --------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss_module, "MOST_SECONDS_BETWEEN_DRAWINGS", 0)
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture
def app() -> OnePane[LossPane]:
    return OnePane(LossPane(), FakeLink(reports=400))


async def test_before_the_first_report_it_says_what_will_come(app: OnePane[LossPane]) -> None:
    async with app.run_test(size=(60, 12)) as pilot:
        await pilot.pause()
        assert "first report" in app.text()


@pytest.mark.parametrize("size", [(40, 10), (60, 14), (160, 50), (12, 5), (4, 3)])
async def test_every_size_is_filled(app: OnePane[LossPane], size: tuple[int, int]) -> None:
    async with app.run_test(size=size) as pilot:
        app.answer()
        await pilot.pause()
        assert {app.pane.render_line(y).cell_length for y in range(app.pane.size.height)} == {size[0] - 2}


async def test_the_three_curves_differ_without_colour(app: OnePane[LossPane], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with app.run_test(size=(70, 16)) as pilot:
        app.answer()
        await pilot.press("plus", "plus")
        shown = app.text()
        assert "◆" in shown
        assert set(shown) & set("▘▝▖▗")
        assert any("\u2800" < char < "\u28ff" for char in shown)
        assert all(mark in app.lower_border for mark in "▚━◆")


async def test_keys_change_the_view(app: OnePane[LossPane]) -> None:
    async with app.run_test(size=(70, 16)) as pilot:
        app.answer()
        await pilot.press("l", "u", "a")
        assert app.upper_border == "Loss · bits/char · log · by epoch"
        await pilot.press("l", "u", "a", "a", "plus")
        assert app.upper_border == "Loss · nats/char · zoom"
        await pilot.press("less_than_sign")
        assert app.upper_border == "Loss · nats/char · zoom, past"
        await pilot.press("0")
        assert app.upper_border == "Loss · nats/char"


async def test_n_grams_can_be_hidden(app: OnePane[LossPane]) -> None:
    async with app.run_test(size=(70, 16)) as pilot:
        app.answer()
        await pilot.pause()
        assert "5-gram" in app.text()
        await pilot.press("N")
        assert "gram" not in app.text()


async def test_the_cursor_reads_values(app: OnePane[LossPane]) -> None:
    async with app.run_test(size=(70, 16)) as pilot:
        app.answer()
        await pilot.press("left")
        newest = app.link.snapshot().history
        assert f"step {newest.step[-1]:,}: raw {newest.loss[-1]:.3f}" in app.lower_border
        await pilot.press("left", "left", "left")
        assert f"step {newest.step[-1]:,}" not in app.lower_border
        assert "│" in app.lines()[0][10:]
        await pilot.press("escape")
        assert "◆" in app.lower_border


async def test_standard_errors_stand_beside_the_losses_as_long_as_there_is_room(app: OnePane[LossPane]) -> None:
    app.link.info = dataclasses.replace(app.link.info, entropy=1.0)
    app.link.regret, app.link.regret_se = 0.0123, 0.0034
    loss = app.link.snapshot().val_loss
    assert loss is not None
    async with app.run_test(size=(80, 16)) as pilot:
        app.answer()
        await pilot.pause()
        assert app.lower_border.endswith(f" validation {loss:.3f} ± 0.012 · regret 0.012 ± 0.003")
        assert "entropy" in app.text()
        await pilot.press("u")
        assert app.lower_border.endswith(f" {loss / math.log(2):.3f} ± 0.017 · regret 0.018 ± 0.005")
        await pilot.resize_terminal(44, 16)
        assert app.lower_border.endswith(" val · regret 0.018")


async def test_the_help_says_what_was_measured_and_counted(app: OnePane[LossPane]) -> None:
    async with app.run_test(size=(80, 16)):
        app.answer()
        assert "mean over 51,200 of the 61,234 held-out characters" in app.pane.help_text()
        assert "counted in all 551,111 characters for training" in app.pane.help_text()
        app.pane.show(dataclasses.replace(app.link.snapshot(), ladder=dataclasses.replace(LADDER, counted=300_000)))
        assert "counted in the last 300,000 of the 551,111 characters for training" in app.pane.help_text()
        app.pane.begin(dataclasses.replace(app.link.info, validated=0))  # a run of version 0.1
        assert "In this run" not in app.pane.help_text()


def test_a_label_says_that_only_a_part_of_the_text_was_counted() -> None:
    labels = [
        [level.label for level in loss_chart(history(), LossView(), PLAIN, (70, 16), ladder=LADDER, train=train).levels]
        for train in (900_000, 90_000_000)
    ]
    assert labels[0] == ["2-gram", "3-gram", "5-gram", "7-gram"]
    assert labels[1] == ["2-gram", "3-gram", "5-gram", "7-gram of 900k characters"]


async def test_other_runs_are_laid_over_and_named(app: OnePane[LossPane]) -> None:
    async with app.run_test(size=(80, 20)) as pilot:
        app.answer()
        app.pane.overlay("calm-heron", [0, 4000], [3.5, 3.0])
        await pilot.pause()
        assert "calm-heron" in app.text()
        await pilot.press("a")
        assert "calm-heron" not in app.text()  # its epochs are not this run's
        await pilot.press("a", "a")
        assert "calm-heron" in app.text()
        app.pane.begin(dataclasses.replace(app.link.info, name="shy-mole"))
        app.answer()
        assert "calm-heron" not in app.text()  # it was drawn over the run before


async def test_nothing_new_draws_nothing_and_little_new_draws_little(app: OnePane[LossPane]) -> None:
    app.link.advance(4)  # beyond the step at which the limits move
    async with app.run_test(size=(70, 20)) as pilot:
        app.answer()
        await pilot.pause()
        drawn = redrawn(app.pane)
        app.answer()
        assert drawn == []
        app.link.advance(4)
        app.answer()
        assert None not in drawn
        assert 0 < len(drawn) < 9


async def test_curves_are_drawn_again_when_there_is_enough_news(
    app: OnePane[LossPane], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = float(round(time.monotonic()))  # eighths of a second are then added to it exactly
    monkeypatch.setattr(loss_module, "MOST_SECONDS_BETWEEN_DRAWINGS", 2)
    monkeypatch.setattr(loss_module, "monotonic", lambda: now)
    async with app.run_test(size=(70, 20)) as pilot:
        app.answer()  # the first ones at once
        await pilot.pause()
        assert "first report" not in app.text()
        drawn = redrawn(app.pane)

        def drawings(seconds: float) -> int:
            """How many there are in so many steps of an eighth of a second."""
            nonlocal now
            count = 0
            for _ in range(round(seconds * 8)):
                now += 0.125
                app.link.advance(20)
                drawn.clear()
                app.answer()
                count += drawn != []
            return count

        assert drawings(1) >= 5
        assert drawings(9) < 40
        now += 100
        drawings(2.125)  # a drawing is the last thing in it
        assert drawings(10) == 10 / 2
        now += 0.125
        app.link.advance(20)
        drawn.clear()
        app.answer()
        assert drawn == []
        await pilot.press("l")  # a key is answered all the same
        assert drawn != []


async def test_a_new_run_starts_with_an_empty_chart(app: OnePane[LossPane]) -> None:
    async with app.run_test(size=(70, 16)) as pilot:
        app.answer()
        await pilot.press("plus", "left")
        app.pane.begin(app.link.info)
        assert "first report" in app.text()
        assert app.upper_border == "Loss · nats/char"


def test_only_rungs_that_are_better_than_those_before_are_drawn() -> None:
    rungs = [Rung(1, 2.4), Rung(2, 1.9), Rung(3, 1.5), Rung(4, 1.6), Rung(5, 1.4), Rung(6, 1.7)]
    assert [rung.n for rung in climbing(rungs)] == [1, 2, 3, 5]


async def test_while_a_key_is_held_the_number_of_each_moment_is_said_and_the_chart_drawn_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = OnePane(LossPane(), FakeLink(reports=64))
    async with app.run_test(size=(60, 16)) as pilot:
        monkeypatch.setattr(loss_module, "monotonic", lambda: 1e6)  # no time passes between the keys
        app.answer()
        app.pane.repaint()
        drawn = []
        paint = app.pane.paint

        def note(*size: Any) -> list[Strip]:
            drawn.append(app.pane.chart_view.cursor)
            return paint(*size)

        monkeypatch.setattr(app.pane, "paint", note)
        for moment in (160, 80, 40):
            app.pane.look_at(moment)
            assert f"{moment}: raw" in str(app.pane.border_subtitle)
        assert drawn == []
        await until(pilot, lambda: drawn)  # the last one is drawn soon
        assert set(drawn) == {40}
