"""The axis of ‖G_t‖: the same slope for the same factor, whatever the run, and room for what it needs."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from engine.config import Config
from engine.session.messages import GradientFlow
from tests.tui.fake_run import FakeLink
from tests.tui.one_pane import OnePane
from tests.tui.test_gradients_pane import flow, windows
from tui.panes.gradients import GradientsPane
from tui.rendering.norm_axis import LOWEST, NormAxis, dot, norm_axis, norm_limits
from tui.rendering.strips import PLAIN


@pytest.mark.parametrize(
    ("limits", "axis"),
    [
        (None, (-6, 0)),
        ((0.2, 1.0), (-6, 0)),
        ((0.02, 0.1), (-7, -1)),
        ((0.02, 0.11), (-6, 0)),
        ((1e-3, 1.0), (-6, 0)),
        ((1e-10, 1.0), (-10, 0)),
        ((2e-12, 3e3), (-12, 4)),
        ((1e-300, 1.0), (LOWEST, 0)),
        ((1e-60, 1e-50), (LOWEST, LOWEST + 6)),
    ],
)
def test_it_has_whole_decades_an_even_number_and_at_least_six(
    limits: tuple[float, float] | None, axis: tuple[int, int]
) -> None:
    assert norm_axis(limits) == NormAxis(*axis)


@pytest.mark.parametrize("axis", [NormAxis(-6, 0), NormAxis(-7, 7), NormAxis(-46, 4)])
@pytest.mark.parametrize("width", range(10, 31))
def test_every_number_stands_at_its_place_both_ends_among_them(axis: NormAxis, width: int) -> None:
    line, ticks = axis.ruler(width)
    labels = line.split()
    assert len(line) == width
    assert (labels[0], labels[-1]) == (f"1e{axis.low}", f"1e{axis.high}")
    assert ticks == [axis.place(10.0 ** int(label[2:]), width) for label in labels]
    for label, tick in zip(labels, ticks, strict=True):
        assert abs(line.index(label) + len(label) // 2 - tick) <= 2 or line.endswith(label) or line.startswith(label)


def shift(flow: GradientFlow, width: int) -> int:
    """How far the curve moves from the newest step to the oldest, in cells."""
    axis = norm_axis(norm_limits([flow]))
    first, last = (
        "".join(text for text, _ in dot(float(flow.norms[t]), axis, ("●", PLAIN), width, [])).index("●")
        for t in (0, -1)
    )
    return last - first


@pytest.mark.parametrize("width", [12, 19, 30])
def test_shrinking_a_little_much_and_utterly_are_told_apart(width: int) -> None:
    """5-fold, 10³-fold and 10¹⁰-fold: an eighth of the axis, half of it, all of it."""
    little, much, utterly = (shift(flow(np.geomspace(1 / factor, 1, 25)), width) for factor in (5, 1e3, 1e10))
    assert little <= width * 0.15
    assert abs(much - width / 2) <= 1
    assert utterly == width - 1


async def test_a_run_keeps_its_axis_and_extends_it_to_what_it_needs() -> None:
    app = OnePane(GradientsPane(), FakeLink(Config(cell="lstm")))
    snapshot = app.link.snapshot()
    async with app.run_test(size=(80, 20)):

        def ruler(ratio: float, step: int) -> list[str]:
            app.pane.show(dataclasses.replace(snapshot, gradients=dataclasses.replace(windows(ratio), step=step)))
            (line,) = [each for each in app.lines() if "‖G_t‖" in each]
            return line.partition("‖G_t‖")[2].split()

        assert ruler(0.2, 0) == ["1e-6", "1e-3", "1e0"]
        assert ruler(1e-3, 1) == ["1e-6", "1e-3", "1e0"]
        assert ruler(1e-10, 2) == ["1e-10", "1e-5", "1e0"]
        assert ruler(0.2, 3) == ["1e-10", "1e-5", "1e0"]
        app.pane.begin(app.link.info)  # another run
        assert ruler(0.2, 0) == ["1e-6", "1e-3", "1e0"]


async def test_the_characters_of_the_first_window_stand_beside_t() -> None:
    app = OnePane(GradientsPane(), FakeLink(Config(cell="lstm")))
    shown = dataclasses.replace(windows(0.2, 0.1), characters="ab \n日c\x1bdef")
    async with app.run_test(size=(80, 20)):
        app.pane.show(dataclasses.replace(app.link.snapshot(), gradients=shown))
        signs = {int(line.split()[0][2:]): line.split()[1] for line in app.lines() if line.startswith("t=")}
        assert [signs[t] for t in range(10)] == ["a", "b", "␣", "⏎", "日", "c", "␛", "d", "e", "f"]
        assert "2 windows · characters of the first" in app.lines()[0]


def test_norms_that_are_zero_or_not_finite_widen_nothing() -> None:
    assert norm_limits([flow([0.0, math.inf, 0.5])]) == (0.5, 0.5)
    assert norm_limits([flow([0.0, math.nan])]) is None
    assert norm_limits([flow([0.0])], (0.1, 0.2)) == (0.1, 0.2)
