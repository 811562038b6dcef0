"""The colours of the data, shared by all panes: in truecolor, in 256 colours, in 16, and without any.

A quantity is never shown by hue alone. Ramps for text also use bold and underline. Maps have no text to underline, so
their ramps use marks if there are few colours.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rich.style import Style
from textual.app import App
from textual.color import Color

Depth = Literal["truecolor", "256", "16", "none"]
DEPTHS: dict[str | None, Depth] = {"standard": "16", "windows": "16", "256": "256"}  # of Rich's colour systems

NOW, KEPT = "●", "○"  # the signs of two pictures that are compared; their colours are `Palette.now` and `Palette.kept`

MOST_BITS = 7.0  # surprise, −log₂ p, at the top of the scale: p < 0.8%

# Exactly the 16 colours that Rich knows, so that reducing to 16 colours changes none of them.
_RED, _GREEN, _BROWN, _BLUE, _CYAN = "#aa0000", "#00aa00", "#aa5500", "#0000aa", "#00aaaa"
_BRIGHT_RED, _BRIGHT_GREEN, _YELLOW, _BRIGHT_BLUE, _BRIGHT_CYAN = "#ff5555", "#55ff55", "#ffff55", "#5555ff", "#55ffff"
_BLACK, _WHITE = "#000000", "#ffffff"

# Colours of other runs' curves: far from blue and amber, which the run's own curves have.
_SERIES_DARK = ("#c678dd", "#4fc1b0", "#e06c75", "#98c379", "#f0a6ca", "#d0d0d0")
_SERIES_LIGHT = ("#8a2be2", "#006d77", "#b3261e", "#2e7d32", "#ad1457", "#555555")
_SERIES_16_DARK = ("#ff55ff", _BRIGHT_CYAN, _BRIGHT_RED, _BRIGHT_GREEN)
_SERIES_16_LIGHT = ("#aa00aa", _CYAN, _RED, _GREEN)


@dataclass(frozen=True, slots=True)
class Ramp:
    """A style for each level of a quantity between `low` and `high`, lowest first."""

    styles: tuple[Style, ...]
    marks: str = ""  # a character for each level, if the colours alone do not tell the levels apart
    low: float = 0.0
    high: float = 1.0

    def level(self, value: float) -> int:
        """The index of the style for `value`. Values beyond the limits get the style at that end, NaN the lowest."""
        if math.isnan(value):
            return 0
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return min(int(share * len(self.styles)), len(self.styles) - 1)

    def levels(self, values: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
        """The index of the style for every element, in the shape of `values`."""
        share = (np.nan_to_num(values, nan=self.low, posinf=self.high, neginf=self.low) - self.low) / (
            self.high - self.low
        )
        levels: NDArray[np.intp] = np.clip((share * len(self.styles)).astype(np.intp), 0, len(self.styles) - 1)
        return levels

    def style(self, value: float) -> Style:
        return self.styles[self.level(value)]


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours that the panes paint with, for one theme and one colour depth."""

    dark: bool
    depth: Depth
    connectivity: Ramp  # 0 … 1 of the largest: none, light blue, dark blue, red; the background of text
    predicted: Style  # the predicted character: green
    surprise: Ramp  # 0 … 1, −log₂ p as a share of `MOST_BITS`: improbable is warmer; the colour of text
    diverging: Ramp  # -1 … 1: orange, neutral, blue; the background
    heat: Ramp  # 0 … 1: how many or how much; the background

    @property
    def now(self) -> Style:
        """Blue text, for the newer of two pictures that are compared."""
        return foreground(self.diverging.styles[-1])

    @property
    def kept(self) -> Style:
        """Orange text, for the older of two pictures that are compared."""
        return foreground(self.diverging.styles[0])

    @property
    def fixed_point(self) -> Style:
        """Of marks that must be seen on any picture."""
        if self.depth == "none":
            return Style(bold=True, reverse=True)
        return Style(color=_BLACK if self.dark else _WHITE, bgcolor=_WHITE if self.dark else _BLACK, bold=True)

    def of_kind(self, number: int) -> Style:
        """Text in a colour for kind `number` of a few kinds of things, each with a character of its own too."""
        return Style(color=self._series[number % len(self._series)]) if self.depth != "none" else Style()

    @property
    def _series(self) -> tuple[str, ...]:
        dark, light = (_SERIES_16_DARK, _SERIES_16_LIGHT) if self.depth == "16" else (_SERIES_DARK, _SERIES_LIGHT)
        return dark if self.dark else light

    def series(self, name: str) -> str:
        """A colour (#rrggbb) for a named curve, the same one every time."""
        return self.series_at(zlib.crc32(name.encode("utf-8", "surrogatepass")))

    def series_at(self, place: int) -> str:
        """A colour (#rrggbb) for a curve among others, by its place: neighbours differ."""
        return self._series[place % len(self._series)]


def foreground(style: Style) -> Style:
    """The background colour of `style` as a colour of text."""
    return Style(color=style.bgcolor)


def palette_of(app: App[Any]) -> Palette:
    """The palette for the present theme and the terminal of `app`."""
    if app.no_color:
        return palette("none", dark=app.current_theme.dark)
    depth: Depth = "16" if app.native_ansi_color else DEPTHS.get(app.console.color_system, "truecolor")
    return palette(depth, dark=app.current_theme.dark)


@lru_cache(maxsize=16)
def palette(depth: Depth, *, dark: bool = True) -> Palette:
    """The palette for a colour depth, and for a dark or a light theme."""
    if depth == "none":
        return Palette(
            dark,
            depth,
            connectivity=Ramp(_parse("dim", "none", "underline", "bold", "bold underline", "reverse bold")),
            predicted=Style.parse("reverse underline"),
            surprise=Ramp(_parse("none", "none", "none", "none", "underline", "underline", "bold underline")),
            diverging=Ramp(_parse(*["none"] * 7), "▼▾- +▴▲", low=-1.0),
            heat=Ramp(_parse(*["none"] * 5), " ░▒▓█"),
        )
    if depth == "16":
        return _palette_16(dark=dark)
    return _palette_full(depth, dark=dark)


def _palette_16(*, dark: bool) -> Palette:
    strong, mild, plain = (_BRIGHT_RED, _YELLOW, "none") if dark else (_RED, _BROWN, "none")
    few = (_BLUE, _CYAN, _YELLOW, _WHITE) if dark else (_BRIGHT_CYAN, _CYAN, _BLUE, _BLACK)
    return Palette(
        dark,
        "16",
        connectivity=Ramp(
            _parse(
                "none",
                f"{_BLACK} on {_BRIGHT_CYAN}",
                f"{_BLACK} on {_CYAN} underline",
                f"{_WHITE} on {_BLUE} bold",
                f"{_WHITE} on {_BLUE} bold underline",
                f"{_WHITE} on {_RED} bold underline",
            ),
        ),
        predicted=Style.parse(f"bold {_BLACK} on {_BRIGHT_GREEN}" if dark else f"bold {_WHITE} on {_GREEN}"),
        surprise=Ramp(
            _parse(plain, plain, plain, mild, f"{mild} underline", f"{strong} underline", f"{strong} bold underline"),
        ),
        diverging=Ramp(
            _parse(
                f"{_BLACK} on {_YELLOW}",
                f"{_WHITE} on {_BROWN}",
                "none",
                f"{_WHITE} on {_BLUE}",
                f"{_WHITE} on {_BRIGHT_BLUE}",
            ),
            "▼- +▲",
            low=-1.0,
        ),
        heat=Ramp(_parse("none", *(f"{_contrast(colour)} on {colour}" for colour in few)), " ░▒▓█"),
    )


def _palette_full(depth: Depth, *, dark: bool) -> Palette:
    blues = ("#b8e0ff", "#7cc0fa", "#3f8fe8", "#2457b8", "#5b2f9a", "#d32f3f")
    calm = (
        ("#d8d8d8", "#e0d3b0", "#ecc67a", "#f5a35a", "#ff6b5e")
        if dark
        else ("#202020", "#4a3b20", "#7a5200", "#a84300", "#c4001d")
    )
    neutral = "#1c1c1c" if dark else "#fafafa"
    orange, blue = ("#ff9a3c", "#4aa3ff") if dark else ("#d95f02", "#1f66c1")
    heat = (
        ("#2b2150", "#31688e", "#21918c", "#5ec962", "#fde725")
        if dark
        else ("#e9f2b0", "#90d48c", "#35a08c", "#31688e", "#2b1450")
    )  # like viridis: more is brighter (darker on a light ground), so the order holds in grey too
    emphasis = ("", "", "", "", "underline", "underline", "bold underline")
    return Palette(
        dark,
        depth,
        connectivity=Ramp(
            (
                Style(),
                *(
                    Style.parse(
                        f"{_contrast(colour)} on {colour} {'bold' if i > 5 else ''} {'underline' if i > 8 else ''}"
                    )
                    for i, colour in enumerate(_blend(blues, 11))
                ),
            ),
        ),
        predicted=Style.parse("bold #ffffff on #1b8a3a"),
        surprise=Ramp(_parse(*map("{} {}".format, _blend(calm, 7), emphasis))),
        diverging=Ramp(
            tuple(Style(color=_contrast(colour), bgcolor=colour) for colour in _blend((orange, neutral, blue), 15)),
            "-" * 5 + " " * 10,  # orange and blue of one strength differ by hue alone
            low=-1.0,
        ),
        heat=Ramp((Style(), *(Style(color=_contrast(colour), bgcolor=colour) for colour in _blend(heat, 9)))),
    )


def _blend(stops: Sequence[str], count: int) -> list[str]:
    """`count` colours, evenly spaced on the way through `stops`, ends included."""
    colours = [Color.parse(stop) for stop in stops]
    result = []
    for place in np.linspace(0, len(stops) - 1, count):
        index = min(int(place), len(stops) - 2)
        result.append(colours[index].blend(colours[index + 1], place - index).hex6.lower())
    return result


def _contrast(background: str) -> str:
    return _BLACK if Color.parse(background).brightness > 0.5 else _WHITE


def _parse(*definitions: str) -> tuple[Style, ...]:
    return tuple(Style.parse(definition) for definition in definitions)
