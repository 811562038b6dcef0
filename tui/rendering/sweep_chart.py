"""The charts of a sweep: a curve for each run, or for each group of runs its median with the band from seed to seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from rich.style import Style

from engine.sweep.board import Band, Group
from tui.rendering.axes import Axis, VisibleRange, linear_ticks, log_ticks, span
from tui.rendering.colour import Palette
from tui.rendering.norm_axis import norm_axis
from tui.rendering.plot import Chart, Curve
from tui.rendering.strips import shorten
from tui.rendering.text import visible_text

What = Literal["val_loss", "loss", "norms", "reach"]
TITLES: dict[What, str] = {
    "val_loss": "Validation loss, nats/char",
    "loss": "Training loss, nats/char",
    "norms": "‖G_t‖ against t",
    "reach": "Reach, characters",
}
MOST = 24  # curves: more cannot be told apart, and take long to draw
LONGEST_NAME = 16  # cells


@dataclass(frozen=True, slots=True)
class SweepView:
    """What is shown of the curves along the steps: scales, and the visible part."""

    log_x: bool = False
    log_y: bool = False
    visible: VisibleRange = field(default_factory=VisibleRange)
    cursor: float | None = None


def shown_of(groups: Sequence[Group], chosen: str) -> list[Group]:
    """The groups that are drawn, at most `MOST`, that of the run `chosen` last, over the others."""
    first = [group for group in groups if all(run.name != chosen for run in group.runs)]
    of_chosen = [group for group in groups if any(run.name == chosen for run in group.runs)]
    return [*first[: MOST - len(of_chosen)], *of_chosen]


def sweep_chart(
    groups: Sequence[Group], what: What, view: SweepView, chosen: str, size: tuple[int, int], palette: Palette
) -> Chart | None:
    """The chart for `size` = (width, height) cells; None if nothing was measured yet.

    The group of the run `chosen` stands out. ‖G_t‖ has the axis that it has on a dashboard.
    """
    width, height = size
    bands = [(group, found) for group in shown_of(groups, chosen) if (found := _of(group, what)) is not None]
    if not bands:
        return None
    along_steps = what != "norms"
    log_x, log_y = view.log_x and along_steps, view.log_y if along_steps and what != "reach" else what == "norms"
    first, last = span([band.x for _, band in bands], log=log_x)
    low, high = view.visible.limits(first, last) if along_steps else (first, last)
    low = max(low, first) if log_x else low
    seen = [_within(band, low, high) for _, band in bands]
    bottom, top = span([values for each in seen for values in (each.low, each.high)], log=log_y)
    if what == "norms":
        axis = norm_axis((bottom, top))
        bottom, top = 10.0**axis.low, 10.0**axis.high
    edges: list[Curve] = []
    medians: list[Curve] = []
    for group, band in bands:
        colour = palette.series_at(groups.index(group))
        is_chosen = any(run.name == chosen for run in group.runs) and len(bands) > 1
        if band.low is not band.median:
            edge = Style(color=colour, dim=True)
            edges += [Curve(band.x, band.low, edge), Curve(band.x, band.high, edge)]
        name = shorten(visible_text(group.label), LONGEST_NAME)
        medians.append(Curve(band.x, band.median, Style(color=colour, bold=is_chosen or None), label=name))
    ticks_y = (log_ticks if log_y else linear_ticks)(bottom, top, max(2, height // 3))
    ticks_x = (log_ticks if log_x else linear_ticks)(low, high, max(2, width // 12))
    return Chart(
        Axis(low, high, ticks_x, log_x),
        Axis(bottom, top, ticks_y, log_y),
        (*edges, *medians),
        Style(dim=True),
        cursor=view.cursor if along_steps else None,
        cursor_style=palette.now,
    )


def _of(group: Group, what: What) -> Band | None:
    match what:
        case "val_loss":
            return group.val_loss
        case "loss":
            return group.loss
        case "norms":
            return group.norms
        case "reach":
            return group.reach


def _within(band: Band, low: float, high: float) -> Band:
    inside = (band.x >= low) & (band.x <= high)
    return Band(band.x[inside], band.median[inside], band.low[inside], band.high[inside])


def values_at(groups: Sequence[Group], what: What, place: float) -> list[tuple[str, float]]:
    """The name of each group and its median at the step `place`, lowest first; those that do not reach it left out."""
    found = []
    for group in groups:
        band = _of(group, what)
        if band is not None and len(band.x) and band.x[0] <= place <= band.x[-1]:
            found.append((group.label, float(np.interp(place, band.x, band.median))))
    return sorted(found, key=lambda pair: pair[1])
