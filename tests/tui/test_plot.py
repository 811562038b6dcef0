"""Charts: whatever the data, the picture has its size, its curves, and round numbers on its axes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from rich.style import Style
from textual.strip import Strip

from engine.arrays import Array
from tui.rendering.axes import Axis, Ticks, linear_ticks, log_ticks, span, time_ticks
from tui.rendering.plot import MIN_HEIGHT, MIN_WIDTH, Chart, Curve, Level, cut, decimate, draw

ROOT = Path(__file__).parents[2]
FRAME = Style(color="#888888")
BLUE, RED, GREEN = Style(color="#0000ff", bold=True), Style(color="#ff0000"), Style(color="#00ff00")
UNIT = Axis(0, 1)


def texts(strips: Sequence[Strip]) -> list[str]:
    return [strip.text for strip in strips]


def canvas(strips: Sequence[Strip]) -> list[str]:
    """What is drawn right of the y axis and above the x axis."""
    return [line[1:] for line in texts(strips)[:-1]]


def styles_of(strips: Sequence[Strip], glyphs: str) -> set[Style | None]:
    return {segment.style for strip in strips for segment in strip if set(segment.text) & set(glyphs)}


# --- the adapter -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(38, 8), (70, 16), (200, 60), (MIN_WIDTH, MIN_HEIGHT)])
def test_strips_have_the_size_asked_for(size: tuple[int, int]) -> None:
    width, height = size
    x = np.linspace(0, 1, 50)
    strips = draw(Chart(Axis(0, 1, ((0.5, "half"),)), UNIT, (Curve(x, x, BLUE),), FRAME), width, height)
    assert [strip.cell_length for strip in strips] == [width] * height


@pytest.mark.parametrize("size", [(0, 0), (1, 1), (MIN_WIDTH - 1, 20), (40, MIN_HEIGHT - 1)])
def test_too_small_is_blank(size: tuple[int, int]) -> None:
    strips = draw(Chart(UNIT, UNIT, (), FRAME), *size)
    assert "".join(texts(strips)).strip() == ""
    assert [strip.cell_length for strip in strips] == [size[0]] * size[1]


def test_a_falling_line_goes_from_the_upper_left_to_the_lower_right() -> None:
    x = np.linspace(0, 1, 5)
    rows = canvas(draw(Chart(UNIT, UNIT, (Curve(x, 1 - x, BLUE),), FRAME), 31, 11))
    columns = [[i for i, glyph in enumerate(row) if glyph != " "] for row in rows]
    assert columns[0][0] == 0
    assert columns[-1][-1] == 29
    assert all(upper[-1] <= lower[-1] for upper, lower in pairwise(columns))


def test_each_curve_has_its_own_style_and_marker() -> None:
    x = np.array([0.1, 0.5, 0.9])
    curves = (
        Curve(x, np.full(3, 0.9), BLUE, marker="◆", joined=False),
        Curve(x, np.full(3, 0.5), RED, marker="×", joined=False),
        Curve(x, np.full(3, 0.1), GREEN),
    )
    strips = draw(Chart(UNIT, UNIT, curves, FRAME), 40, 12)
    assert styles_of(strips, "◆") == {BLUE}
    assert styles_of(strips, "×") == {RED}
    assert GREEN in {segment.style for strip in strips for segment in strip}
    assert all(segment.style is None or segment.style.bgcolor is None for strip in strips for segment in strip)
    assert sum(row.count("◆") for row in texts(strips)) == 3


def test_a_gap_in_the_data_is_a_gap_in_the_line() -> None:
    x = np.linspace(0, 1, 101)
    y = np.full(101, 0.5)
    y[40:61] = np.nan
    (row,) = [row for row in canvas(draw(Chart(UNIT, UNIT, (Curve(x, y, BLUE),), FRAME), 101, 9)) if row.strip()]
    assert row[:38].strip()
    assert row[42:58].strip() == ""
    assert row[63:].strip()


def test_what_leaves_the_range_stays_at_its_edge() -> None:
    curve = Curve(np.array([0.5]), np.array([17.0]), BLUE, marker="◆", joined=False)
    assert "◆" in texts(draw(Chart(UNIT, UNIT, (curve,), FRAME), 40, 12))[0]


def test_levels_and_the_cursor() -> None:
    chart = Chart(UNIT, UNIT, (), FRAME, (Level(0.75, RED, "4-gram"), Level(5, RED, "outside")), 0.5, BLUE)
    strips = draw(chart, 40, 13)
    (named,) = [row for row in texts(strips) if "4-gram" in row]
    assert texts(strips).index(named) == 3
    assert named.count("┈") > 25
    assert "outside" not in "".join(texts(strips))
    assert BLUE in styles_of(strips, "│")


def test_names_of_curves_keep_the_order_of_the_curves() -> None:
    x = np.linspace(0, 1, 9)
    curves = tuple(Curve(x, np.full(9, y), BLUE, label=name) for y, name in ((0.5, "b"), (0.49, "a"), (0.51, "c")))
    rows = texts(draw(Chart(UNIT, UNIT, curves, FRAME), 40, 12))
    assert "".join(row[-1] for row in rows).replace(" ", "") == "cba"


def test_every_curve_has_its_name_where_all_end_at_the_top() -> None:
    x = np.linspace(0, 1, 9)
    curves = tuple(Curve(x, np.full(9, y), BLUE, label=name) for y, name in ((0.98, "b"), (0.97, "a"), (0.99, "c")))
    rows = texts(draw(Chart(UNIT, UNIT, curves, FRAME), 40, 12))
    assert [row[-1] for row in rows[:4]] == ["c", "b", "a", " "]


def test_of_more_curves_than_rows_those_drawn_over_the_others_are_named() -> None:
    x = np.linspace(0, 1, 9)
    curves = tuple(
        Curve(x, np.full(9, 1 - place / 40), BLUE, label=name) for place, name in enumerate("ABCDEFGHIJKLMN")
    )
    rows = texts(draw(Chart(UNIT, UNIT, (*curves[1:], curves[0]), FRAME), 40, 9))
    named = "".join(row[-1] for row in rows).strip()
    assert named[0] == "A"
    assert named[1:] == "ABCDEFGHIJKLMN"[-len(named) + 1 :]


def test_names_cannot_break_the_layout() -> None:
    curve = Curve(np.array([0.0, 1.0]), np.array([0.5, 0.5]), BLUE, label="漢\x1b[2Jx\u0301")
    strips = draw(Chart(UNIT, UNIT, (curve,), FRAME), 40, 9)
    assert [strip.cell_length for strip in strips] == [40] * 9
    assert "\x1b" not in "".join(texts(strips))


def test_log_axis_places_powers_evenly() -> None:
    places = Axis(1e-4, 1e4, log=True).place(np.array([1e-4, 1.0, 1e4, 0.0, -1.0, np.nan, np.inf]))
    np.testing.assert_allclose(places[:3], [0, 0.5, 1])
    assert np.isnan(places[3:]).all()


def any_array(rng: np.random.Generator, length: int) -> Array:
    values = rng.choice(
        [
            rng.standard_normal(length),
            np.full(length, rng.standard_normal()),
            10.0 ** rng.uniform(-300, 300, length) * rng.choice([-1, 1], length),
        ]
    )
    strange = [np.nan, np.inf, -np.inf, 0.0, -1.0, 1e308, -1e308, 5e-324]
    spoilt = rng.random(length) < rng.choice([0, 0.1, 0.5, 1])
    return np.where(spoilt, rng.choice(strange, length), values)


def draw_anything(seed: int) -> None:
    """One chart of random data, as bad as it gets, on the axes that `span` finds or on strange ones."""
    rng = np.random.default_rng(seed)
    log = bool(rng.random() < 0.5)
    curves = []
    for _ in range(rng.integers(0, 4)):
        length = int(rng.choice([0, 1, 2, 3, 40, 700]))
        x = any_array(rng, length) if rng.random() < 0.3 else np.sort(rng.uniform(-1, 2, length))
        marker, joined = [("braille", True), ("braille", False), ("hd", True), ("◆", False)][rng.integers(4)]
        curves.append(Curve(x, any_array(rng, length), BLUE, marker, joined, "name"))
    x_low, x_high = span([curve.x for curve in curves])
    y_low, y_high = span([curve.y for curve in curves], log=log)
    if rng.random() < 0.2:
        x_low, x_high, y_low, y_high = rng.choice([0.0, 1.0, -1.0, 1e308, -1e308, np.nan, np.inf], 4).tolist()
    width, height = int(rng.integers(0, 120)), int(rng.integers(0, 40))
    chart = Chart(
        Axis(x_low, x_high, linear_ticks(x_low, x_high, 6)),
        Axis(y_low, y_high, (log_ticks if log else linear_ticks)(y_low, y_high, 6), log),
        tuple(curves),
        FRAME,
        (Level(float(rng.choice([0.5, np.nan, np.inf, -1.0])), RED, "level"),),
        float(rng.choice([0.5, np.nan, np.inf, 1e300])),
        BLUE,
    )
    strips = draw(chart, width, height)
    assert [strip.cell_length for strip in strips] == [width] * height, seed


def test_no_data_can_end_the_process_or_raise() -> None:
    # In a process of its own: plotext's native part would take this one along.
    code = "from tests.tui.test_plot import draw_anything\nfor seed in range(500): draw_anything(seed)"
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# --- points ----------------------------------------------------------------------------------


def test_cut_interpolates_at_the_edges() -> None:
    x, y = cut(np.array([-1.0, 0.5, 3.0]), np.array([0.0, 3.0, 8.0]))
    np.testing.assert_allclose(x, [0, 0.5, 1])
    np.testing.assert_allclose(y, [2, 3, 4])


def test_cut_of_a_line_that_only_passes_by() -> None:
    x, y = cut(np.array([-1.0, 2.0]), np.array([0.0, 3.0]))
    np.testing.assert_allclose([x, y], [[0, 1], [1, 2]])
    assert len(cut(np.array([2.0, 3.0]), np.array([0.0, 0.0]))[0]) == 0
    assert len(cut(np.array([-2.0, -1.0]), np.array([0.0, 0.0]))[0]) == 0


def test_decimate_keeps_every_spike() -> None:
    x = np.linspace(0, 1, 10_000)
    y = np.zeros(10_000)
    spikes = [0, 17, 5_001, 9_999]
    y[spikes] = [5, -5, 7, -7]
    thin_x, thin_y = decimate(x, y, 50)
    assert len(thin_x) <= 100
    assert (np.diff(thin_x) > 0).all()
    assert set(y[spikes]) <= set(thin_y)


def test_decimate_leaves_few_points_alone_and_keeps_gaps() -> None:
    x = np.linspace(0, 1, 10)
    assert decimate(x, x, 50)[0] is x
    y = np.zeros(1000)
    y[500:550] = np.nan
    assert np.isnan(decimate(np.linspace(0, 1, 1000), y, 20)[1]).any()


@pytest.mark.parametrize(
    ("groups", "log", "expected"),
    [
        ([[3.0, 1.0], [2.0, np.nan, np.inf]], False, (1, 3)),
        ([[-1.0, 0.0, 2.0, 8.0]], True, (2, 8)),
        ([[]], False, (0, 1)),
        ([[np.nan, -1.0]], True, (0.1, 1)),
    ],
)
def test_span(groups: list[list[float]], log: bool, expected: tuple[float, float]) -> None:
    assert span([np.array(group) for group in groups], log=log) == expected


@pytest.mark.parametrize("value", [0.0, 5.0, -5.0, 1e-300, 1e300])
def test_span_of_one_value_is_not_empty(value: float) -> None:
    low, high = span([np.array([value])])
    assert low < value < high


# --- ticks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ticks", "labels"),
    [
        (linear_ticks(0, 12_400, 5), "0 5k 10k"),
        (linear_ticks(1, 4.5, 5), "1 2 3 4"),
        (linear_ticks(0, 0.3, 4), "0 0.1 0.2 0.3"),
        (linear_ticks(12_000, 12_500, 5), "12k 12.2k 12.4k"),
        (linear_ticks(0, 1.2e6, 6), "0 500k 1M"),
        (linear_ticks(-3, 3, 6), "-2 0 2"),
        (log_ticks(0.48, 4, 4), "0.5 1 2"),
        (log_ticks(1e-12, 1, 5), "1e-12 1e-9 1e-6 1e-3 1e0"),
        (log_ticks(1.5, 1.58, 4), "1.50 1.55"),
        (time_ticks(0, 64, 5), "0 15s 30s 45s 1m"),
        (time_ticks(0, 100_000, 4), "0 12h 1d"),
        (time_ticks(3600, 9000, 5), "1h 1h30 2h 2h30"),
    ],
)
def test_ticks_are_round(ticks: Ticks, labels: str) -> None:
    assert " ".join(label for _, label in ticks) == labels


@pytest.mark.parametrize("make", [linear_ticks, log_ticks, time_ticks])
def test_ticks_stay_within_limits_and_number(make: Callable[[float, float, int], Ticks]) -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        low = float(10 ** rng.uniform(-3, 6))
        high = low * float(1 + 10 ** rng.uniform(-3, 2))  # up to three years
        ticks = make(low, high, 6)
        assert 1 <= len(ticks) <= 6
        assert all(low * (1 - 1e-6) <= position <= high * (1 + 1e-6) for position, _ in ticks)
