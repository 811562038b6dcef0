"""Points of a plane in cells of the terminal."""

from __future__ import annotations

import numpy as np
import pytest
from rich.style import Style

from tui.rendering.canvas import Canvas

RED, BLUE = Style.parse("red"), Style.parse("blue")


def lines(canvas: Canvas) -> list[str]:
    return [strip.text for strip in canvas.strips()]


def test_each_of_the_eight_dots_of_a_cell_has_its_place() -> None:
    expected = "⠁⠂⠄⡀⠈⠐⠠⢀"  # the left column from the top, then the right one
    for number, dot in enumerate(expected):
        canvas = Canvas(0, 2, 0, 4, 1, 1)
        canvas.dots(np.array([number // 4 + 0.5]), np.array([3.5 - number % 4]), RED)
        assert lines(canvas) == [dot]


def test_points_lie_where_they_belong_and_edges_belong_to_the_plane() -> None:
    canvas = Canvas(-1, 1, -1, 1, 4, 3)
    canvas.signs(np.array([-1, 1, 0.1]), np.array([1, -1, 0.0]), "x", RED)
    assert lines(canvas) == ["x   ", "  x ", "   x"]


def test_what_is_outside_or_no_number_is_left_out() -> None:
    canvas = Canvas(0, 1, 0, 1, 2, 2)
    odd = np.array([np.nan, np.inf, -np.inf, 1.01, -0.01, 1e308])
    canvas.dots(odd, np.full(6, 0.5), RED)
    canvas.signs(np.full(6, 0.5), odd, "x", RED)
    assert lines(canvas) == ["  ", "  "]


def test_what_is_drawn_later_lies_over_it() -> None:
    canvas = Canvas(0, 1, 0, 1, 1, 1)
    centre = np.array([0.4])
    canvas.dots(centre, centre, RED)
    canvas.dots(centre + 0.3, centre, BLUE)
    (strip,) = canvas.strips()
    assert [(segment.text, segment.style) for segment in strip] == [("⠤", BLUE)]
    canvas.signs(centre, centre, "o", RED)
    assert [(segment.text, segment.style) for segment in canvas.strips()[0]] == [("o", RED)]


@pytest.mark.parametrize(("width", "height"), [(40, 10), (12, 20), (20, 10)])
def test_with_one_scale_a_circle_is_round(width: int, height: int) -> None:
    canvas = Canvas.even(1.0, width, height)
    angle = np.linspace(0, 2 * np.pi, 4000)
    canvas.dots(0.99 * np.cos(angle), 0.99 * np.sin(angle), RED)
    drawn = np.array([[char != " " for char in line] for line in lines(canvas)])
    across, down = np.count_nonzero(drawn.any(axis=0)), np.count_nonzero(drawn.any(axis=1))
    assert across == 2 * down == min(width, 2 * height)
