"""The loss curves of a run as a chart: the curves, the limits of its axes, and the values at the cursor."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from rich.style import Style

from engine.arrays import Array, Integers
from engine.session.messages import History, Ladder, Rung
from tui.rendering.axes import Axis, VisibleRange, linear_ticks, log_ticks, span, time_ticks
from tui.rendering.numbers import rate
from tui.rendering.plot import Chart, Curve, Level
from tui.rendering.strips import shorten
from tui.rendering.text import visible_text

Unit = Literal["nats", "bits"]
Along = Literal["step", "epoch", "time"]

ROOMY = 52  # cells; a wider chart writes names out
LONGEST_NAME, LONGEST_NAME_IF_NARROW = 12, 5  # cells, of another run
MARKER_EVERY = 4  # cells, so that the line is visible between the markers
ROUNDING = 1e-9  # of a place on the x axis
RAW_SHARE = 0.995  # of the raw losses that fit between the limits; higher ones are drawn at the upper edge


@dataclass(frozen=True, slots=True)
class Overlay:
    """Another run's losses, in nats per character by step."""

    name: str
    steps: Integers
    losses: Array
    style: Style


@dataclass(frozen=True, slots=True)
class LossView:
    """The user's choices: units, x axis, scale, lines, visible range, cursor."""

    unit: Unit = "nats"
    along: Along = "step"
    log: bool = False
    ladder: bool = True
    visible: VisibleRange = field(default_factory=VisibleRange)
    cursor: float | None = None  # the x of the cursor; None if it is hidden

    @property
    def scale(self) -> float:
        """The factor from nats to the shown unit."""
        return 1.0 if self.unit == "nats" else 1 / math.log(2)


@dataclass(frozen=True, slots=True)
class LossStyles:
    """A style for each kind of curve, the frame and the cursor."""

    raw: Style
    smoothed: Style
    validation: Style
    reference: Style
    frame: Style
    cursor: Style


@dataclass(frozen=True, slots=True)
class CursorValues:
    """The losses at the cursor, in the shown unit: the validation loss is the last one until there, None before one."""

    step: int
    raw: float
    smoothed: float
    validation: float | None


def places(history: History, along: Along) -> tuple[Array, Array]:
    """The x of every training point, (N,), and of every validation, (M,)."""
    match along:
        case "step":
            return history.step.astype(np.float64), history.val_step.astype(np.float64)
        case "epoch":
            return history.epoch, history.val_epoch
        case "time":
            return history.seconds, history.val_seconds


def extent(history: History, along: Along) -> tuple[float, float]:
    """The first and the last x of the data, the last rounded up by at most 1/32.

    The limits then seldom move, which makes drawing cheap: a new point changes a few cells and not the whole chart.
    """
    first, last = span(places(history, along))
    if last <= 0:
        return first, last
    grain = 2.0 ** (math.floor(math.log2(last)) - 5)
    return first, math.ceil(last / grain) * grain


def translate(view: LossView, history: History, along: Along) -> LossView:
    """`view` with the same visible range and cursor along another x."""
    here, there = places(history, view.along)[0], places(history, along)[0]
    if len(here) == 0:
        return dataclasses.replace(view, along=along, visible=VisibleRange(), cursor=None)
    low, high = view.visible.limits(*extent(history, view.along))
    low, high, cursor = np.interp([low, high, view.cursor or 0.0], here, there).tolist()
    visible = view.visible
    if visible.width is not None:
        visible = VisibleRange(high - low, None if visible.right is None else high)
    return dataclasses.replace(view, along=along, visible=visible, cursor=None if view.cursor is None else cursor)


def at_cursor(history: History, view: LossView) -> CursorValues | None:
    """The losses at the cursor; None if there is no cursor or no loss yet."""
    if view.cursor is None or len(history.step) == 0:
        return None
    x, val_x = places(history, view.along)
    index = int(np.argmin(np.abs(x - view.cursor)))
    raw, smoothed = float(history.loss[index]), float(history.smoothed[index])
    until = max(view.cursor, float(x[index])) * (1 + ROUNDING)
    before = int(np.searchsorted(val_x, until, side="right"))
    validation = float(history.val_loss[before - 1]) * view.scale if before else None
    return CursorValues(int(history.step[index]), raw * view.scale, smoothed * view.scale, validation)


def loss_chart(
    history: History,
    view: LossView,
    styles: LossStyles,
    size: tuple[int, int],
    *,
    ladder: Ladder | None = None,
    train: int = 0,
    entropy: float | None = None,
    overlays: Sequence[Overlay] = (),
) -> Chart:
    """The chart for `size` = (width, height) cells. Overlays appear along steps only: other runs' epochs differ.

    `train` is the number of characters for training: if the n-grams were not counted in all of them, a label says so.
    """
    width, height = size
    x, val_x = places(history, view.along)
    low, high = span([np.array(view.visible.limits(*extent(history, view.along)))])
    raw, smoothed, validation = (
        values.astype(np.float64) * view.scale for values in (history.loss, history.smoothed, history.val_loss)
    )
    others = [
        (o, o.steps.astype(np.float64), o.losses.astype(np.float64) * view.scale)
        for o in overlays
        if view.along == "step"
    ]
    seen = (x >= low) & (x <= high)
    groups = [smoothed[seen], validation[(val_x >= low) & (val_x <= high)], _most(raw[seen])]
    groups += [losses[(steps >= low) & (steps <= high)] for _, steps, losses in others]
    rungs = [(rung.n, rung.loss * view.scale) for rung in climbing(ladder.rungs)] if ladder and view.ladder else []
    sampled = f" of {rate(ladder.counted)} characters" if ladder and 0 < ladder.counted < train else ""
    bound = None if entropy is None else entropy * view.scale
    y = _y_axis(_limits(groups, [loss for _, loss in rungs], bound, log=view.log), log=view.log, rows=height - 2)
    longest = LONGEST_NAME if width >= ROOMY else LONGEST_NAME_IF_NARROW
    curves = [Curve(x, raw, styles.raw, marker="hd", joined=False)]
    for overlay, steps, losses in others:
        name = shorten(visible_text(overlay.name), longest)
        curves.append(Curve(steps, losses, overlay.style, label=name))
    curves.append(Curve(x, smoothed, styles.smoothed))
    curves.append(Curve(*_sparse(val_x, validation, low, high, width), styles.validation, marker="◆", joined=False))
    ticks = time_ticks if view.along == "time" else linear_ticks
    return Chart(
        Axis(low, high, ticks(low, high, max(2, width // 12))),
        y,
        tuple(curves),
        styles.frame,
        _levels(rungs, bound, styles.reference, sampled, roomy=width >= ROOMY),
        view.cursor,
        styles.cursor,
    )


def _sparse(x: Array, y: Array, low: float, high: float, width: int) -> tuple[Array, Array]:
    """The newest visible point and earlier ones, at most one in `MARKER_EVERY` cells."""
    seen = np.flatnonzero((x >= low) & (x <= high) & np.isfinite(y))
    if len(seen) == 0:
        return x[:0], y[:0]
    places = (x[seen] - low) / (high - low) * width // MARKER_EVERY
    last_of_each = seen[np.r_[np.diff(places) > 0, True]]
    return x[last_of_each], y[last_of_each]


def _most(raw: Array) -> Array:
    """The raw losses without the few highest, which would squeeze all others."""
    raw = raw[np.isfinite(raw)]
    return raw[raw <= np.quantile(raw, RAW_SHARE)] if len(raw) else raw


def _limits(groups: Sequence[Array], rungs: Sequence[float], bound: float | None, *, log: bool) -> tuple[float, float]:
    """The limits of all curves, and of the next goal below them: the entropy, or else the next n-gram line."""
    low, high = span(groups, log=log)
    if bound is not None and bound > 0:
        return min(low, bound), high
    return max((rung for rung in rungs if 0 < rung < low), default=low), high


def _y_axis(limits: tuple[float, float], *, log: bool, rows: int) -> Axis:
    """An axis with the limits rounded outwards by up to 1/16 of their distance, so that noise does not move them."""
    low, high = (math.log(limits[0]), math.log(limits[1])) if log else limits
    grain = 2.0 ** (math.floor(math.log2(high - low)) - 4)
    low, high = math.floor(low / grain) * grain, math.ceil(high / grain) * grain
    if log:
        low, high = math.exp(low), math.exp(high)
    return Axis(low, high, (log_ticks if log else linear_ticks)(low, high, max(2, rows // 2)), log)


def climbing(rungs: Sequence[Rung]) -> list[Rung]:
    """The n-gram models that beat all those with smaller n: longer n-grams may be too rare to be of use."""
    best = float("inf")
    kept = []
    for rung in rungs:
        if rung.loss < best:
            best = rung.loss
            kept.append(rung)
    return kept


def _levels(
    rungs: Sequence[tuple[int, float]], bound: float | None, style: Style, sampled: str, *, roomy: bool
) -> tuple[Level, ...]:
    """The losses of the n-gram models, and the entropy, which no model can beat, as lines.

    The lowest n-gram's label ends in `sampled`: in how much of the text they were counted.
    """
    levels = [Level(loss, style, f"{n}-gram" if roomy else f"n{n}") for n, loss in rungs]
    if levels and roomy:
        levels[-1] = dataclasses.replace(levels[-1], label=levels[-1].label + sampled)
    if bound is not None:
        levels.append(Level(bound, style + Style(bold=True), "entropy" if roomy else "H"))
    return tuple(levels)
