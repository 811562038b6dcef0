"""A pane with a chart: a cursor that reads values, zoom and pan, by key and with the mouse."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, NamedTuple, Protocol

from textual.actions import SkipAction
from textual.events import MouseDown, MouseMove, MouseUp

from tui.panes.pane import PaintedPane
from tui.rendering.axes import VisibleRange
from tui.rendering.plot import columns_of_chart

NOTCH = 0.8  # of what is visible is visible after one notch of the wheel towards the chart
BESIDE = 8  # columns of an average pane that are not of the chart, but of its axis


class ChartView(Protocol):
    """What a chart shows: a part of the data, and perhaps a cursor."""

    @property
    def visible(self) -> VisibleRange: ...
    @property
    def cursor(self) -> float | None: ...


class Extent(NamedTuple):
    """The x axis of all the data, and the last x at which there is any."""

    first: float
    last: float
    newest: float
    log: bool = False

    @property
    def limits(self) -> tuple[float, float]:
        return self.first, self.last


class ChartPane(PaintedPane):
    """Subclasses keep the `ChartView`, say how far the data goes, and bind the keys of `keys.CHART`.

    The wheel zooms at the pointer, dragging pans, and a click sets the cursor.
    """

    ALLOW_SELECT = False  # dragging pans
    _dragged_from: int | None = None  # the column in which the button was pressed, or that was panned to last
    _has_panned = False

    @property
    @abstractmethod
    def chart_view(self) -> ChartView:
        """What it shows now."""

    @abstractmethod
    def extent(self) -> Extent | None:
        """How far the data goes; None as long as there is none."""

    @abstractmethod
    def change_chart(self, **changes: Any) -> None:
        """Change fields of the view, and draw it."""

    # --- keys ------------------------------------------------------------------------------

    def action_cursor(self, cells: int) -> None:
        """Move the cursor by `cells`. A new cursor appears at the newest visible point."""
        if (extent := self.extent()) is None:
            return
        cursor, (low, high) = self.chart_view.cursor, self.chart_view.visible.limits(*extent.limits)
        if cursor is None:
            self._put_cursor(high, extent)
        else:
            self._put_cursor(cursor + cells * (high - low) / max(self.size.width - BESIDE, 1), extent)

    def _put_cursor(self, x: float, extent: Extent) -> None:
        x = min(max(x, extent.first), extent.newest)
        self.change_chart(cursor=x, visible=self.chart_view.visible.reveal(x, *extent.limits))

    def action_hide_cursor(self) -> None:
        """Hide the cursor. If there is none, the key does what it does elsewhere."""
        if self.chart_view.cursor is None:
            raise SkipAction
        self.change_chart(cursor=None)

    def action_zoom(self, factor: float) -> None:
        """Show `factor` times as much, around the cursor."""
        self._zoom(factor, self.chart_view.cursor)

    def _zoom(self, factor: float, about: float | None) -> None:
        if (extent := self.extent()) is not None:
            self.change_chart(visible=self.chart_view.visible.zoom(factor, about, *extent.limits))

    def action_pan(self, direction: int) -> None:
        self._pan(direction / 4)

    def _pan(self, share: float) -> None:
        if (extent := self.extent()) is not None:
            self.change_chart(visible=self.chart_view.visible.pan(share, *extent.limits))

    def action_reset(self) -> None:
        self.change_chart(visible=VisibleRange(), cursor=None)

    # --- mouse -----------------------------------------------------------------------------

    def _x_at(self, column: int) -> float | None:
        """The x of the data below a column of the pane."""
        extent, columns = self.extent(), columns_of_chart(self.strips)
        if extent is None or columns is None:
            return None
        first, last = columns
        share = min(max((column - first + 0.5) / max(last - first, 1), 0.0), 1.0)
        low, high = self.chart_view.visible.limits(*extent.limits)
        if extent.log and low > 0:
            return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
        return low + share * (high - low)

    def wheel(self, by: int, column: int) -> None:
        about = self._x_at(column)
        if about is not None:
            self._zoom(NOTCH if by < 0 else 1 / NOTCH, about)

    def clicked(self, column: int, row: int) -> None:
        x, extent = self._x_at(column), self.extent()
        if x is not None and extent is not None and not self._has_panned:
            self._put_cursor(x, extent)

    def on_mouse_down(self, event: MouseDown) -> None:
        self.capture_mouse()
        self._dragged_from, self._has_panned = event.x, False

    def on_mouse_move(self, event: MouseMove) -> None:
        columns = columns_of_chart(self.strips)
        if self._dragged_from is None or columns is None or event.x == self._dragged_from:
            return
        self._pan((self._dragged_from - event.x) / max(columns[1] - columns[0], 1))
        self._dragged_from, self._has_panned = event.x, True

    def on_mouse_up(self, event: MouseUp) -> None:
        self.release_mouse()
        self._dragged_from = None
