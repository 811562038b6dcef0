"""The loss pane: training, smoothed and validation loss, beside what is known about a good one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from time import monotonic
from typing import Any, ClassVar

import numpy as np
from rich.style import Style
from textual.actions import SkipAction
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.strip import Strip
from textual.style import Style as ContentStyle
from textual.timer import Timer

from engine.session.messages import History, RunInfo, Snapshot
from tui.panes.pane import PaintedPane
from tui.rendering.axes import Window
from tui.rendering.colour import Palette
from tui.rendering.loss_chart import (
    ROOMY,
    Along,
    LossStyles,
    LossView,
    Overlay,
    extent,
    loss_chart,
    places,
    read,
    reading_line,
    title,
    translate,
)
from tui.rendering.plot import draw
from tui.rendering.strips import DIM, line, shorten

SECONDS_BETWEEN_DRAWINGS = 2.0  # at most; curves change slowly, and a chart is a screenful of bytes
NEWS = 0.1  # share of what it shows that is new when a chart is worth drawing again
ALONG: tuple[Along, ...] = ("step", "epoch", "time")


class LossPane(PaintedPane):
    """Curves of the loss; the keys change how they are looked at, never the run."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"loss--{part}" for part in ("raw", "smoothed", "validation", "reference", "frame", "cursor")
    }
    DEFAULT_CSS = """
    LossPane {
        .loss--raw { color: $foreground 35%; }
        .loss--smoothed { color: $primary; text-style: bold; }
        .loss--validation { color: $accent; text-style: bold; }
        .loss--reference { color: $secondary; }
        .loss--frame { color: $foreground 60%; }
        .loss--cursor { color: $foreground; }
        &:ansi .loss--raw, &:ansi .loss--frame { text-style: dim; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "log", "Log", id="loss.log", tooltip="Logarithmic or linear loss"),
        Binding("u", "unit", "Bits", id="loss.unit", tooltip="Loss in nats or in bits per character"),
        Binding("x", "along", "X axis", id="loss.along", tooltip="Along steps, epochs or time"),
        Binding("k", "ladder", "k-grams", id="loss.ladder", tooltip="Lines at what k-gram models reach on this text"),
        Binding("left", "cursor(-1)", "Cursor", id="loss.cursor-left", tooltip="Read values: cursor to the left"),
        Binding("right", "cursor(1)", "Cursor right", show=False, id="loss.cursor-right", tooltip="Cursor right"),
        Binding("plus,equals_sign", "zoom(0.5)", "Zoom", id="loss.zoom-in", tooltip="Show half as much"),
        Binding("minus", "zoom(2)", "Zoom out", show=False, id="loss.zoom-out", tooltip="Show twice as much"),
        Binding("shift+left,less_than_sign", "pan(-1)", "Pan left", show=False, id="loss.pan-left", tooltip="Earlier"),
        Binding(
            "shift+right,greater_than_sign", "pan(1)", "Pan right", show=False, id="loss.pan-right", tooltip="Later"
        ),
        Binding("0,home", "reset", "Whole run", show=False, id="loss.reset", tooltip="Show all of it, and follow it"),
        Binding("escape", "hide_cursor", "Hide cursor", show=False, id="loss.hide-cursor", tooltip="Hide the cursor"),
    ]
    HELP = """\
# Loss

How badly the network guesses the next character, on average: 0 would be certainty. **Lower is better.**

- grey blocks: the training loss as it was measured, step by step (noisy: each step sees other text)
- **line**: the same, smoothed
- **◆**: the validation loss, on text that is never trained on. This one counts. When it rises while the line
  still falls, the network is learning its text by heart.
- dotted lines: what counting models reach on the same validation text, knowing the last k characters
  (*4-gram*: k = 4). Below a line means: better than that. *entropy*, where it is known, is the limit that no
  model can pass on average; *regret* is what the best validation loss is above it.

| key | |
|---|---|
| `l` | logarithmic or linear |
| `u` | nats or bits per character (1 bit = 0.69 nats) |
| `x` | along steps, epochs or training time |
| `←` `→` | a cursor that reads values; `escape` hides it |
| `+` `-` | zoom, about the cursor or the newest step |
| `<` `>` | pan (also shift with the arrow keys) |
| `0` | the whole run, following it |
| `k` | the k-gram lines |

Old points are means over many steps. A few highest raw losses may be drawn at the upper edge, where they do not
squeeze the rest. Other runs are shown only along steps: their epochs and times are not comparable.
"""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._info: RunInfo | None = None
        self._history: History | None = None
        self._best: float | None = None
        self._view = LossView()
        self._overlays: dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]] = {}
        self._written = (Content(), Content())
        self._drawn: tuple[object, ...] = ()
        self._drawn_at = -math.inf
        self._began = monotonic()
        self._timer: Timer | None = None

    # --- what the run says -----------------------------------------------------------------

    def begin(self, info: RunInfo) -> None:
        """Another run: its curves are to come, alone, and looked at in the same way."""
        self._info, self._history, self._best = info, None, None
        self._overlays.clear()
        self._began = monotonic()
        self._view = dataclasses.replace(self._view, window=Window(), cursor=None)
        self._redraw()

    def show(self, snapshot: Snapshot) -> None:
        """Take over the curves; draw them now, or when there is enough that is new."""
        self._history, self._best = snapshot.history, snapshot.best_val_loss
        now = monotonic()
        wait = self._drawn_at + min(SECONDS_BETWEEN_DRAWINGS, NEWS * (now - self._began)) - now
        if wait <= 0:
            self._redraw_if_changed()
        elif self._timer is None:
            self._timer = self.set_timer(wait, self._redraw_if_changed)

    def overlay(self, name: str, steps: Sequence[int], losses: Sequence[float]) -> None:
        """Lay another run's losses (nats per character) over this one's, in a colour that stays with its name.

        They stay until the next `begin`.
        """
        self._overlays[name] = (np.asarray(steps), np.asarray(losses, np.float64))
        self._redraw()

    # --- keys ------------------------------------------------------------------------------

    def action_log(self) -> None:
        """Logarithmic or linear."""
        self._look(log=not self._view.log)

    def action_unit(self) -> None:
        """Nats or bits."""
        self._look(unit="bits" if self._view.unit == "nats" else "nats")

    def action_along(self) -> None:
        """Steps, epochs, time."""
        along = ALONG[(ALONG.index(self._view.along) + 1) % len(ALONG)]
        if self._history is not None:
            self._view = translate(self._view, self._history, along)
        self._look(along=along)

    def action_ladder(self) -> None:
        """With or without the k-gram lines."""
        self._look(ladder=not self._view.ladder)

    def action_cursor(self, cells: int) -> None:
        """Move the cursor by some cells; it appears at the newest point."""
        if self._history is None or len(self._history.step) == 0:
            return
        first, last = extent(self._history, self._view.along)
        newest = float(places(self._history, self._view.along)[0][-1])
        cursor = self._view.cursor
        if cursor is None:
            cursor = min(newest, self._view.window.limits(first, last)[1])
        else:
            low, high = self._view.window.limits(first, last)
            cursor = min(max(cursor + cells * (high - low) / max(self.size.width - 8, 1), first), newest)
        self._look(cursor=cursor, window=self._view.window.reveal(cursor, first, last))

    def action_hide_cursor(self) -> None:
        """Back to the legend; the key means what it meant before if there is no cursor."""
        if self._view.cursor is None:
            raise SkipAction
        self._look(cursor=None)

    def action_zoom(self, factor: float) -> None:
        """Show `factor` times as much."""
        if self._history is not None:
            limits = extent(self._history, self._view.along)
            self._look(window=self._view.window.zoom(factor, self._view.cursor, *limits))

    def action_pan(self, direction: int) -> None:
        """Move by a quarter of what is visible."""
        if self._history is not None:
            limits = extent(self._history, self._view.along)
            self._look(window=self._view.window.pan(direction / 4, *limits))

    def action_reset(self) -> None:
        """The whole run."""
        self._look(window=Window(), cursor=None)

    def _look(self, **changes: Any) -> None:
        self._view = dataclasses.replace(self._view, **changes)
        self._redraw()

    # --- drawing ---------------------------------------------------------------------------

    def on_resize(self) -> None:
        """The border has room for other words."""
        self._entitle()

    def _redraw_if_changed(self) -> None:
        self._timer = None
        if self._drawn != self._data():
            self._redraw()

    def _redraw(self) -> None:
        self._drawn = self._data()
        self._drawn_at = monotonic() if self._drawn else -math.inf  # the first curves need not wait
        if self.is_mounted:
            self._entitle()
            self.repaint()

    def _data(self) -> tuple[object, ...]:
        history = self._history
        if history is None or len(history.step) == 0:
            return ()
        return len(history.step), int(history.step[-1]), len(history.val_step), self._best

    def paint(self, width: int, height: int, palette: Palette) -> list[Strip]:
        """The chart, or what to wait for."""
        if self._history is None or len(self._history.step) == 0:
            waiting = shorten("the curves begin with the first report", width).center(width)
            return [Strip.blank(width)] * (height // 2) + [line([(waiting, DIM)], width)]
        styles = LossStyles(*(self._part(field.name) for field in dataclasses.fields(LossStyles)))
        overlays = [
            Overlay(name, steps, losses, Style(color=palette.series(name)))
            for name, (steps, losses) in self._overlays.items()
        ]
        ladder, entropy = (self._info.ladder, self._info.entropy) if self._info else ((), None)
        chart = loss_chart(
            self._history, self._view, styles, (width, height), ladder=ladder, entropy=entropy, overlays=overlays
        )
        return draw(chart, width, height)

    def _part(self, name: str) -> Style:
        style = self.get_component_rich_style(f"loss--{name}")
        return Style(color=style.color, bold=style.bold, dim=style.dim)  # no background: the pane has one

    def _entitle(self) -> None:
        """Setting a title redraws the whole pane, so equal ones are left alone."""
        titles = (Content(title(self._view)), self._subtitle())
        if titles != self._written:
            self._written = titles
            self.border_title, self.border_subtitle = titles

    def _subtitle(self) -> Content:
        wide = self.size.width >= ROOMY
        if self._history is not None and (reading := read(self._history, self._view)) is not None:
            return Content(reading_line(reading, wide=wide))
        names = ("raw", "smoothed", "validation") if wide else ("raw", "smooth", "val")
        parts: list[Any] = []
        for mark, name, part in zip("▚━◆", names, ("raw", "smoothed", "validation"), strict=True):
            parts += [(mark, ContentStyle.from_rich_style(self._part(part))), f" {name} "]
        entropy = self._info.entropy if self._info else None
        if entropy is not None and self._best is not None:
            parts.append(f"· regret {(self._best - entropy) * self._view.scale:.3f}")
        return Content.assemble(*parts).rstrip()
