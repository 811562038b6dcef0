"""Numbers as the lines above the panes write them."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.app import App, ComposeResult

import tui
from engine.session.messages import Snapshot
from tests.tui.fake_run import FakeLink
from tui.rendering import numbers as written
from tui.rendering.numbers import power
from tui.widgets.status import StatusLine, fields_of


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


def test_a_number_below_zero_has_a_true_minus() -> None:
    values = (-0.0516, 0.2, -1.0, -math.inf, math.nan)
    assert [written.signed(value) for value in values] == ["−0.05", "+0.20", "−1.00", "−∞", "–"]
    assert written.signed(-0.0516, 3) == "−0.052"
    assert [written.plain(value) for value in (-5.0, -3e-12, 3e-12)] == ["−5.00", "−3.0e-12", "3.0e-12"]


def test_one_module_writes_signs() -> None:
    """So that no pane has a hyphen where the others have a minus."""
    root = Path(tui.__file__).parent
    assert not [path for path in root.rglob("*.py") if re.search(r":\+\.\d", path.read_text("utf-8"))]


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


class Lines(App[None]):
    """A status line and nothing else."""

    def compose(self) -> ComposeResult:
        yield StatusLine()

    def said(self, width: int, snapshot: Snapshot) -> str:
        line = self.query_one(StatusLine)
        line.styles.height = line.get_content_height(line.size, line.size, width)
        line.show(snapshot)
        return line.render().plain


def after_the_best(**changes: Any) -> Snapshot:
    """A run that was best at step 1,100, and has got worse since."""
    snapshot = FakeLink().snapshot()
    losses = np.array([*snapshot.history.val_loss[:-1], 1.9])
    history = dataclasses.replace(snapshot.history, val_loss=losses)
    return dataclasses.replace(snapshot, history=history, val_loss=1.9, best_val_loss=losses[-2], **changes)


@pytest.mark.parametrize(("width", "is_shown"), [(80, True), (118, True), (160, True), (60, False)])
async def test_the_status_line_has_the_standard_error_where_there_is_room(width: int, is_shown: bool) -> None:
    app = Lines()
    async with app.run_test(size=(width, 4)) as pilot:
        app.said(width, FakeLink().snapshot())
        await pilot.pause()
        assert ("± 0.012" in app.query_one(StatusLine).render().plain) == is_shown


@pytest.mark.parametrize("width", [80, 118, 160])
async def test_the_loss_is_smoothed_and_the_best_validation_loss_stands_with_its_step_beside_the_last(
    width: int,
) -> None:
    app = Lines()
    async with app.run_test(size=(width, 4)) as pilot:
        snapshot = after_the_best()
        assert f"{snapshot.loss:.3f}" != f"{snapshot.history.smoothed[-1]:.3f}"
        app.said(width, snapshot)
        await pilot.pause()
        words = " ".join(app.query_one(StatusLine).render().plain.split())
        assert f"loss {snapshot.history.smoothed[-1]:.3f} " in words
        assert f"val 1.900 ± 0.012 best {snapshot.best_val_loss:.3f} at 1,100 " in words
        app.said(width, dataclasses.replace(snapshot, best_val_loss=1.0))  # measured before what the curves show
        assert " best 1.000 312k" in " ".join(app.query_one(StatusLine).render().plain.split())


@pytest.mark.parametrize("width", [80, 118, 160])
async def test_what_changes_at_each_step_moves_nothing(width: int) -> None:
    """The numbers that go up and down have the same cells, whatever their values."""
    app = Lines()
    async with app.run_test(size=(width, 4)) as pilot:
        app.said(width, after_the_best())
        await pilot.pause()
        places = set()
        for loss, norm, clipped, speed, lr in [(1.5, 0.5, 0.0, 812, 2e-3), (12.34, 1.2e4, 1.0, 1.2e6, 1e-12)]:
            history = dataclasses.replace(after_the_best().history, smoothed=np.array([loss]))
            shown = after_the_best(grad_norm=norm, clipped=clipped, chars_per_second=speed)
            line = app.said(width, dataclasses.replace(shown, lr=lr if lr > 1e-9 else 9e-9, history=history))
            places.add(tuple(line.find(label) for label in ("loss", "val", "best", "chars/s", "lr", "|g|", "clipped")))
        assert len(places) == 1


@pytest.mark.parametrize("width", [80, 120, 160])
async def test_the_status_line_has_the_gradients_norm_and_how_often_it_was_clipped(width: int) -> None:
    app = Lines()
    async with app.run_test(size=(width, 4)) as pilot:
        line = app.query_one(StatusLine)
        line.styles.height = line.get_content_height(line.size, line.size, width)
        line.show(FakeLink().snapshot())
        await pilot.pause()
        lines = line.render().plain.split("\n")
        assert "|g| 0.52" in lines[0]
        assert "clipped  12%" in lines[0] or width == 120
        assert "0:00:30" in lines[0]  # nothing else has made room for it
        assert max(map(len, lines)) <= width
        line.show(dataclasses.replace(FakeLink().snapshot(), clipped=None))  # nothing clips
        await pilot.pause()
        assert "|g|" in line.render().plain
        assert "clipped" not in line.render().plain


@pytest.mark.parametrize("width", [24, 33, 46, 52, 58, 61, 64])
async def test_half_a_number_is_never_shown(width: int) -> None:
    app, snapshot = Lines(), after_the_best()
    whole = {word for field in (*fields_of(snapshot).progress, *fields_of(snapshot).learning) for word in field}
    whole |= {word for field in (*fields_of(snapshot).more, *fields_of(snapshot).process) for word in field}
    async with app.run_test(size=(width, 4)) as pilot:
        app.said(width, snapshot)
        await pilot.pause()
        shown = app.query_one(StatusLine).render().plain.split()
        assert set(shown) <= set(" ".join(whole).split())
