"""The loss curves of a run as a chart: what is drawn, between which limits, and what the cursor reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from rich.style import Style

from engine.arrays import Array, Integers
from engine.session.messages import History, Rung
from tui.rendering.axes import Window, linear_ticks, log_ticks, time_ticks
from tui.rendering.plot import Axis, Chart, Curve, Level, span

Unit = Literal["nats", "bits"]
Along = Literal["step", "epoch", "time"]

ROOMY = 52  # cells from which on names at the right edge are written out
MARKER_EVERY = 4  # cells: the line is to be seen between the markers
RAW_SHARE = 0.995  # of the raw losses lie within the limits; what is above is drawn at the upper edge


@dataclass(frozen=True, slots=True)
class Overlay:
    """Another run's losses, in nats per character by step."""

    name: str
    steps: Integers
    losses: Array
    style: Style


@dataclass(frozen=True, slots=True)
class LossView:
    """How the curves are looked at."""

    unit: Unit = "nats"
    along: Along = "step"
    log: bool = False
    ladder: bool = True
    window: Window = field(default_factory=Window)
    cursor: float | None = None  # an x

    @property
    def scale(self) -> float:
        """What a loss in nats is multiplied by to be shown."""
        return 1.0 if self.unit == "nats" else 1 / math.log(2)


@dataclass(frozen=True, slots=True)
class LossStyles:
    """How each kind of curve is painted."""

    raw: Style
    smoothed: Style
    validation: Style
    reference: Style
    frame: Style
    cursor: Style


@dataclass(frozen=True, slots=True)
class Reading:
    """The losses nearest to the cursor, in the shown unit; None where there is nothing yet."""

    step: int
    raw: float | None
    smoothed: float | None
    validation: float | None


def places(history: History, along: Along) -> tuple[Array, Array]:
    """The x of every training point and of every validation."""
    match along:
        case "step":
            return history.step.astype(np.float64), history.val_step.astype(np.float64)
        case "epoch":
            return history.epoch, history.val_epoch
        case "time":
            return history.seconds, history.val_seconds


def extent(history: History, along: Along) -> tuple[float, float]:
    """From where to where there is anything to see, with up to 1/32 of room on the right.

    The room is used up before the limits move: until then a new point changes a few cells, not the whole chart.
    """
    first, last = span(places(history, along))
    if last <= 0:
        return first, last
    grain = 2.0 ** (math.floor(math.log2(last)) - 5)
    return first, math.ceil(last / grain) * grain


def translate(view: LossView, history: History, along: Along) -> LossView:
    """The same window and cursor along another x."""
    here, there = places(history, view.along)[0], places(history, along)[0]
    if len(here) == 0:
        return LossView(view.unit, along, view.log, view.ladder)
    low, high = view.window.limits(*extent(history, view.along))
    low, high, cursor = np.interp([low, high, view.cursor or 0.0], here, there).tolist()
    window = view.window
    if window.width is not None:
        window = Window(high - low, None if window.right is None else high)
    return LossView(view.unit, along, view.log, view.ladder, window, None if view.cursor is None else cursor)


def read(history: History, view: LossView) -> Reading | None:
    """The losses at the cursor."""
    if view.cursor is None or len(history.step) == 0:
        return None
    x, val_x = places(history, view.along)
    index = int(np.argmin(np.abs(x - view.cursor)))
    raw, smoothed = float(history.loss[index]), float(history.smoothed[index])
    validation = None
    if len(val_x):
        validation = float(history.val_loss[int(np.argmin(np.abs(val_x - view.cursor)))]) * view.scale
    return Reading(int(history.step[index]), raw * view.scale, smoothed * view.scale, validation)


def loss_chart(
    history: History,
    view: LossView,
    styles: LossStyles,
    size: tuple[int, int],
    *,
    ladder: Sequence[Rung] = (),
    entropy: float | None = None,
    overlays: Sequence[Overlay] = (),
) -> Chart:
    """The chart for `size` (width, height) cells. Overlays are drawn along steps only: another run's epochs differ."""
    width, height = size
    x, val_x = places(history, view.along)
    low, high = span([np.array(view.window.limits(*extent(history, view.along)))])
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
    rungs = [(rung.k, rung.loss * view.scale) for rung in climbing(ladder) if view.ladder]
    bound = None if entropy is None else entropy * view.scale
    y = _y_axis(_limits(groups, [loss for _, loss in rungs], bound, log=view.log), log=view.log, rows=height - 2)
    curves = [Curve(x, raw, styles.raw, marker="hd", joined=False)]
    curves += [Curve(steps, losses, o.style, label=_short(o.name, width)) for o, steps, losses in others]
    curves.append(Curve(x, smoothed, styles.smoothed))
    curves.append(Curve(*_sparse(val_x, validation, low, high, width), styles.validation, marker="◆", joined=False))
    ticks = time_ticks if view.along == "time" else linear_ticks
    return Chart(
        Axis(low, high, ticks(low, high, max(2, width // 12))),
        y,
        tuple(curves),
        styles.frame,
        _levels(rungs, bound, styles.reference, roomy=width >= ROOMY),
        view.cursor,
        styles.cursor,
    )


def _sparse(x: Array, y: Array, low: float, high: float, width: int) -> tuple[Array, Array]:
    """The newest visible point and those before it that leave the line between the markers visible."""
    seen = np.flatnonzero((x >= low) & (x <= high) & np.isfinite(y))
    if len(seen) == 0:
        return x[:0], y[:0]
    places = (x[seen] - low) / (high - low) * width // MARKER_EVERY
    last_of_each = seen[np.r_[np.diff(places) > 0, True]]
    return x[last_of_each], y[last_of_each]


def _most(raw: Array) -> Array:
    """The raw losses without the highest few, which would squeeze all the others."""
    raw = raw[np.isfinite(raw)]
    return raw[raw <= np.quantile(raw, RAW_SHARE)] if len(raw) else raw


def _limits(groups: Sequence[Array], rungs: Sequence[float], bound: float | None, *, log: bool) -> tuple[float, float]:
    """All of the curves, and what there is still to reach: the entropy, or else the next rung of the ladder."""
    low, high = span(groups, log=log)
    if bound is not None and bound > 0:
        return min(low, bound), high
    return max((rung for rung in rungs if 0 < rung < low), default=low), high


def _y_axis(limits: tuple[float, float], *, log: bool, rows: int) -> Axis:
    """The limits, rounded outwards by up to a sixteenth of what they span: they do not tremble with the noise."""
    low, high = (math.log(limits[0]), math.log(limits[1])) if log else limits
    grain = 2.0 ** (math.floor(math.log2(high - low)) - 4)
    low, high = math.floor(low / grain) * grain, math.ceil(high / grain) * grain
    if log:
        low, high = math.exp(low), math.exp(high)
    return Axis(low, high, (log_ticks if log else linear_ticks)(low, high, max(2, rows // 2)), log)


def climbing(ladder: Sequence[Rung]) -> list[Rung]:
    """The rungs that are better than all before them: beyond, counting has too little text to count in."""
    best = float("inf")
    kept = []
    for rung in ladder:
        if rung.loss < best:
            best = rung.loss
            kept.append(rung)
    return kept


def _levels(rungs: Sequence[tuple[int, float]], bound: float | None, style: Style, *, roomy: bool) -> tuple[Level, ...]:
    """Lines to compare with: what k-gram models reach, and the entropy, below which no model can get."""
    levels = [Level(loss, style, f"{k}-gram" if roomy else f"k{k}") for k, loss in rungs]
    if bound is not None:
        levels.append(Level(bound, style + Style(bold=True), "entropy" if roomy else "H"))
    return tuple(levels)


def _short(name: str, width: int) -> str:
    room = 12 if width >= ROOMY else 5
    return name if len(name) <= room else name[: room - 1] + "…"


def title(view: LossView) -> str:
    """What is shown, and how, as far as it is not the usual."""
    parts = ["Loss", f"{view.unit}/char"]
    if view.log:
        parts.append("log")
    if view.along != "step":
        parts.append(f"by {view.along}")
    if view.window.width is not None:
        parts.append("zoom" if view.window.right is None else "zoom, past")
    return " · ".join(parts)


def reading_line(reading: Reading, *, wide: bool) -> str:
    """The values at the cursor."""
    names = ("raw", "smoothed", "validation") if wide else ("raw", "~", "val")
    values = (reading.raw, reading.smoothed, reading.validation)
    shown = [f"{name} {'–' if value is None else f'{value:.3f}'}" for name, value in zip(names, values, strict=True)]
    return f"{'step ' if wide else ''}{reading.step:,}: {' '.join(shown)}"
