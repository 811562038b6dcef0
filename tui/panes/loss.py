"""The loss pane: training, smoothed and validation loss, and the losses of counting models to compare with."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from time import monotonic
from typing import Any, ClassVar

import numpy as np
from rich.style import Style
from textual.binding import BindingType
from textual.content import Content
from textual.strip import Strip
from textual.timer import Timer

from engine.session.messages import History, RunInfo, Snapshot
from tui.panes import keys
from tui.panes.chart import ChartPane, Extent
from tui.rendering.axes import VisibleRange
from tui.rendering.colour import Palette
from tui.rendering.loss_chart import (
    ROOMY,
    Along,
    LossStyles,
    LossView,
    Overlay,
    at_cursor,
    extent,
    loss_chart,
    places,
    translate,
)
from tui.rendering.loss_labels import beside_words, cursor_words, legend, measured_words, title
from tui.rendering.loss_words import Curves, findings
from tui.rendering.plot import draw
from tui.rendering.sentences import fitted
from tui.rendering.strips import BOLD, DIM, as_lines, line, shorten

MOST_SECONDS_BETWEEN_DRAWINGS = 3.0  # not less, as curves change slowly, and a chart takes many bytes and much time
NEXT_SNAPSHOT = 1.2  # seconds, within which one comes while a run trains; it draws what is due, with all panes
CURSOR_SECONDS = 0.1  # between two drawings while a key that walks through moments is held down
NEWS = 0.1  # the chart is drawn again after this share of the time that the run has been on the screen
LINES_OF_A_LINE, MOST_LINES = 6, 3  # of the pane, for one line of words below the chart; and of words
ALONG: tuple[Along, ...] = ("step", "epoch", "time")


class LossPane(ChartPane):
    """Curves of the loss. The keys change the picture, never the run."""

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
    BINDINGS: ClassVar[list[BindingType]] = [*keys.LOSS]
    VIEWS = ("curves",)
    HELP = """\
# Loss

How badly the network guesses the next character, on average; 0 would mean that it is always right and certain. **Lower
is better.**

- grey blocks: the training loss of each step (noisy, because each step sees another piece of text)
- **line**: the training loss, smoothed
- **◆**: the validation loss, on text that the network is never trained on. This is the one that counts. When it
  rises while the line still falls, the network is learning its text by heart. Behind ± stands its standard error: the
  loss on other text of this kind may well lie twice as far away.
- dotted lines: the losses on the same characters of n-gram models, which only count: a *4-gram* model (*n4* in a
  small pane) predicts a character from the 3 before it (interpolated modified Kneser–Ney). A network below a line is
  better than that model.
- *entropy*, if it is known (*H* in a small pane), is the limit that no model can beat on average. *regret* is how far
  the best validation loss lies above the loss, on the same characters, of an oracle that knows the language.

Below the curves stands what they show, as soon as it is more than noise: that the network learns its text by heart,
that the learning rate is too high, a plateau, and whether it is better than counting.

Old points are means over many steps. The few highest raw losses may be drawn at the upper edge, so that the scale
stays readable. Other runs are shown only if the x axis has steps: their epochs and times are not comparable.
"""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._info: RunInfo | None = None
        self._snapshot: Snapshot | None = None
        self._view = LossView()
        self._overlays: dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]] = {}
        self._drawn: tuple[object, ...] = ()
        self._drawn_at = -math.inf
        self._began = monotonic()
        self._timer: Timer | None = None

    @property
    def run(self) -> RunInfo | None:
        """The run whose curves it shows."""
        return self._info

    @property
    def in_bits(self) -> bool:
        """Whether losses are drawn in bits, not in nats."""
        return self._view.unit == "bits"

    @property
    def _history(self) -> History | None:
        return self._snapshot.history if self._snapshot else None

    def help_text(self) -> str:
        ladder = self._snapshot.ladder if self._snapshot else None
        return self.HELP + (measured_words(self._info, ladder) if self._info else "")

    # --- from the run ----------------------------------------------------------------------

    def begin(self, info: RunInfo) -> None:
        """Forget the curves and the overlays; keep units and scale."""
        self._info, self._snapshot = info, None
        self._overlays.clear()
        self._began = monotonic()
        self._view = dataclasses.replace(self._view, visible=VisibleRange(), cursor=None)
        self._redraw()

    def look_at(self, moment: int | None) -> None:
        """Set the cursor to the moment; hide it when the dashboard goes back to now."""
        super().look_at(moment)
        self.is_awaiting = False  # the curves are there already
        cursor, visible = None, self._view.visible
        if moment is not None and self._history is not None and len(self._history.step):
            x, _ = places(self._history, self._view.along)
            cursor = float(np.interp(moment, self._history.step, x))
            visible = visible.reveal(cursor, *extent(self._history, self._view.along))
        self._view = dataclasses.replace(self._view, cursor=cursor, visible=visible)
        self._entitle()
        self._redraw_after(self._drawn_at + CURSOR_SECONDS - monotonic())

    def show(self, snapshot: Snapshot) -> None:
        is_beside = self._snapshot is not None and self._snapshot.now is not None
        self._snapshot = snapshot
        if is_beside != (snapshot.now is not None):
            self._entitle()
        now = monotonic()
        wait = self._drawn_at + min(MOST_SECONDS_BETWEEN_DRAWINGS, NEWS * (now - self._began)) - now
        if wait <= 0 or self._timer is None:
            self._redraw_after(wait + NEXT_SNAPSHOT if wait > 0 and snapshot.state == "training" else wait)

    def _redraw_after(self, seconds: float) -> None:
        """Redraw what has changed by then, and no later on."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if seconds <= 0:
            self._redraw_if_changed()
        else:
            self._timer = self.set_timer(seconds, self._redraw_if_changed)

    def overlay(self, name: str, steps: Sequence[int], losses: Sequence[float]) -> None:
        """Draw another run's losses (nats per character, by step) over this run's until the next `begin`.

        The colour depends on `name` alone.
        """
        self._overlays[name] = (np.asarray(steps), np.asarray(losses, np.float64))
        self._redraw()

    # --- keys ------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "hide_cursor" or self.moment is None  # at a moment the key leads back to now

    def action_log(self) -> None:
        self.change_chart(log=not self._view.log)

    def action_unit(self) -> None:
        self.change_chart(unit="bits" if self._view.unit == "nats" else "nats")

    def action_along(self) -> None:
        along = ALONG[(ALONG.index(self._view.along) + 1) % len(ALONG)]
        if self._history is not None:
            self._view = translate(self._view, self._history, along)
        self.change_chart(along=along)

    def action_ladder(self) -> None:
        self.change_chart(ladder=not self._view.ladder)

    @property
    def chart_view(self) -> LossView:
        return self._view

    def extent(self) -> Extent | None:
        history = self._history
        if history is None or len(history.step) == 0:
            return None
        newest = float(places(history, self._view.along)[0][-1])
        return Extent(*extent(history, self._view.along), newest)

    def change_chart(self, **changes: Any) -> None:
        self._view = dataclasses.replace(self._view, **changes)
        self._redraw()

    # --- drawing ---------------------------------------------------------------------------

    def on_resize(self) -> None:
        self._entitle()

    def _redraw_if_changed(self) -> None:
        self._timer = None
        if self._drawn != self._data():
            self._redraw()

    def _redraw(self) -> None:
        self._drawn = self._data()
        self._drawn_at = monotonic() if self._drawn else -math.inf  # the first curves are drawn at once
        if self.is_mounted:
            self._entitle()
            self.repaint()

    def _data(self) -> tuple[object, ...]:
        history = self._history
        if history is None or len(history.step) == 0:
            return ()
        snapshot = self._snapshot
        ladder = snapshot.ladder if snapshot else None
        return len(history.step), int(history.step[-1]), len(history.val_step), ladder, self._view

    def paint(self, width: int, height: int, palette: Palette) -> list[Strip]:
        if self._history is None or len(self._history.step) == 0:
            waiting = shorten("the curves begin with the first report", width).center(width)
            return [Strip.blank(width)] * (height // 2) + [line([(waiting, DIM)], width)]
        styles = LossStyles(*(self._part(field.name) for field in dataclasses.fields(LossStyles)))
        overlays = [
            Overlay(name, steps, losses, Style(color=palette.series(name)))
            for name, (steps, losses) in self._overlays.items()
        ]
        words = self._findings(width, height)
        height -= len(words)
        chart = loss_chart(
            self._history,
            self._view,
            styles,
            (width, height),
            ladder=self._snapshot.ladder if self._snapshot else None,
            train=self._info.trained if self._info else 0,
            entropy=self._info.entropy if self._info else None,
            overlays=overlays,
        )
        return [*draw(chart, width, height), *as_lines(words, width, BOLD)]

    def _findings(self, width: int, height: int) -> list[str]:
        """What the curves show, in as many lines as the chart can spare. At a moment, the present says nothing."""
        if self._snapshot is None or self.moment is not None:
            return []
        snapshot, characters = self._snapshot, len(self._info.vocabulary) if self._info else 0
        ladder = snapshot.ladder if self._view.ladder else None
        curves = Curves(snapshot.history, snapshot.val_loss_se, ladder, characters, snapshot.regret)
        return fitted(findings(curves, self._view.scale), width, min(height // LINES_OF_A_LINE, MOST_LINES))

    def _part(self, name: str) -> Style:
        style = self.get_component_rich_style(f"loss--{name}")
        return Style(color=style.color, bold=style.bold, dim=style.dim)  # no background: the pane has one

    def _entitle(self) -> None:
        self.entitle(title(self._view), self._subtitle())

    def _subtitle(self) -> Content:
        width = self.size.width
        if self._history is not None and (values := at_cursor(self._history, self._view)) is not None:
            beside = self._snapshot is not None and self._snapshot.now is not None  # now is laid over the moment
            words = beside_words(values, self._history, self._view) if beside else cursor_words(values, width >= ROOMY)
            return Content(words)
        styles = [self._part(part) for part in ("raw", "smoothed", "validation")]
        return legend(styles, self._snapshot, self._view.scale, width)
