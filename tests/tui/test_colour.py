"""Quantities as colours: told apart on a dark and a light ground, at every depth, and without any colour."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
from rich.color import ColorSystem
from textual.app import App
from textual.color import Color

from tui.rendering.colour import Depth, Palette, Ramp, palette, palette_of

DEPTHS: tuple[Depth, ...] = get_args(Depth)
RAMPS = ("connectivity", "surprise", "diverging", "heat")


@pytest.fixture(params=[(dark, depth) for dark in (True, False) for depth in DEPTHS], ids=str)
def any_palette(request: pytest.FixtureRequest) -> Palette:
    dark, depth = request.param
    return palette(depth, dark=dark)


def ramp_of(colours: Palette, name: str) -> Ramp:
    ramp = getattr(colours, name)
    assert isinstance(ramp, Ramp)
    return ramp


@pytest.mark.parametrize("name", ["diverging", "heat"])
def test_where_colours_are_few_each_has_a_mark(any_palette: Palette, name: str) -> None:
    ramp = ramp_of(any_palette, name)
    assert len(ramp.styles) >= 5
    has_marks = any_palette.depth in ("16", "none") or name == "diverging"
    assert len(ramp.marks) == (len(ramp.styles) if has_marks else 0)


def test_below_and_above_zero_differ_by_more_than_hue(any_palette: Palette) -> None:
    """A mark of its own for each sign, for whoever does not tell orange from blue; the middle has none."""
    ramp = any_palette.diverging
    marks = [ramp.marks[ramp.level(value)] for value in (-1.0, -0.6, 0.0, 0.6, 1.0)]
    assert not {*marks[:2]} & {*marks[3:]}
    assert marks[2] == " "
    assert marks[0] != " "


@pytest.mark.parametrize("name", RAMPS)
def test_level_reaches_both_ends_and_takes_any_number(any_palette: Palette, name: str) -> None:
    ramp = ramp_of(any_palette, name)
    top = len(ramp.styles) - 1
    assert [ramp.level(x) for x in (ramp.low, -math.inf, math.nan, ramp.high, math.inf)] == [0, 0, 0, top, top]
    values = np.array([math.nan, -math.inf, math.inf, *np.linspace(-2, 2, 41)])
    assert ramp.levels(values).tolist() == [ramp.level(x) for x in values]


@pytest.mark.parametrize("dark", [True, False])
def test_sixteen_colours_stay_what_they_are(dark: bool) -> None:
    sixteen = palette("16", dark=dark)
    for name in RAMPS:
        shown = [
            (
                style.color and style.color.downgrade(ColorSystem.STANDARD).number,
                style.bgcolor and style.bgcolor.downgrade(ColorSystem.STANDARD).number,
                style.bold,
                style.underline,
            )
            for style in dict.fromkeys(ramp_of(sixteen, name).styles)
        ]
        assert len(set(shown)) == len(shown)
        assert all(fore != back for fore, back, *_ in shown if back is not None)


@pytest.mark.parametrize("name", ["connectivity", "surprise"])
def test_text_ramps_have_a_channel_beside_colour(any_palette: Palette, name: str) -> None:
    ramp = ramp_of(any_palette, name)
    emphasis = [(bool(style.bold), bool(style.underline)) for style in ramp.styles]
    assert emphasis[0] != emphasis[-1] == (True, any_palette.depth != "none" or name == "surprise")
    if any_palette.depth == "none":
        assert all(style.color is None and style.bgcolor is None for style in ramp.styles)


@pytest.mark.parametrize("dark", [True, False])
def test_heat_holds_in_grey(dark: bool) -> None:
    styles = palette("truecolor", dark=dark).heat.styles[1:]
    brightness = [Color.from_rich_color(style.bgcolor).brightness for style in styles]
    assert brightness == sorted(set(brightness), reverse=not dark)


def test_a_name_keeps_its_colour(any_palette: Palette) -> None:
    assert any_palette.series("brisk-otter") == any_palette.series("brisk-otter")
    assert len({any_palette.series(f"run-{i}") for i in range(40)}) >= 4


async def test_palette_follows_theme_and_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("COLORTERM", raising=False)
    app: App[None] = App()
    async with app.run_test():
        assert palette_of(app) == palette("256")
        app.theme = "textual-light"
        assert palette_of(app) == palette("256", dark=False)
        app.theme = "ansi-dark"
        assert palette_of(app).depth == "16"


async def test_no_color_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app: App[None] = App()
    async with app.run_test():
        assert palette_of(app).depth == "none"
