"""Numbers as the lines above the panes write them."""

from __future__ import annotations

import dataclasses
import math

import pytest
from textual.app import App, ComposeResult

from tests.tui.fake_run import FakeLink
from tui.rendering import numbers as written
from tui.rendering.numbers import power
from tui.widgets.status import StatusLine


@pytest.mark.parametrize(
    ("per_second", "text"),
    [(0, "0"), (812.4, "812"), (9_412, "9.4k"), (312_345, "312k"), (1_234_567, "1.2M"), (45e6, "45M")],
)
def test_rate(per_second: float, text: str) -> None:
    assert written.rate(per_second) == text


@pytest.mark.parametrize(
    ("lr", "text"), [(2e-3, "2.0e-3"), (0.1, "1.0e-1"), (3.456e-12, "3.5e-12"), (1.0, "1.0e0"), (math.nan, "–")]
)
def test_learning_rate(lr: float, text: str) -> None:
    assert power(lr) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00:00"), (64.9, "0:01:04"), (90_061, "25:01:01")])
def test_clock(seconds: float, text: str) -> None:
    assert written.clock(seconds) == text


def test_losses() -> None:
    assert written.nats(1.41357) == "1.414"
    assert written.bits(math.log(2) * 2.276) == "2.28"
    assert (written.nats(2.86e31), written.bits(math.log(2) * 2.86e31)) == ("2.9e31", "2.9e31")
    assert [written.nats(loss) for loss in (None, math.nan, math.inf)] == ["–"] * 3


def test_a_standard_error_stands_beside_its_loss_where_it_is_known() -> None:
    assert written.with_error("1.414", 0.0123) == "1.414 ± 0.012"
    assert [written.with_error("1.414", error) for error in (None, math.nan)] == ["1.414"] * 2


@pytest.mark.parametrize(("width", "is_shown"), [(80, True), (118, False), (126, True)])
async def test_the_status_line_has_the_standard_error_where_there_is_room(width: int, is_shown: bool) -> None:
    class Lines(App[None]):
        def compose(self) -> ComposeResult:
            yield StatusLine()

    app = Lines()
    async with app.run_test(size=(width, 4)) as pilot:
        line = app.query_one(StatusLine)
        line.styles.height = line.get_content_height(line.size, line.size, width)
        line.show(FakeLink().snapshot())
        await pilot.pause()
        assert ("± 0.012" in line.render().plain) == is_shown
        assert "(2.38 bits)" in line.render().plain


@pytest.mark.parametrize("width", [80, 120, 160])
async def test_the_status_line_has_the_gradients_norm_and_how_often_it_was_clipped(width: int) -> None:
    class Lines(App[None]):
        def compose(self) -> ComposeResult:
            yield StatusLine()

    app = Lines()
    async with app.run_test(size=(width, 4)) as pilot:
        line = app.query_one(StatusLine)
        line.styles.height = line.get_content_height(line.size, line.size, width)
        line.show(FakeLink().snapshot())
        await pilot.pause()
        lines = line.render().plain.split("\n")
        assert "|g| 0.52" in lines[0]
        assert "clipped 12%" in lines[0] or width == 120
        assert "0:00:30" in lines[0]  # nothing else has made room for it
        assert max(map(len, lines)) <= width
        line.show(dataclasses.replace(FakeLink().snapshot(), clipped=None))  # nothing clips
        await pilot.pause()
        assert "|g|" in line.render().plain
        assert "clipped" not in line.render().plain
