"""A chart of many runs: their curves, or the bands of groups of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from textual.binding import BindingType
from textual.strip import Strip

from engine.sweep.board import Group
from tui.panes import keys
from tui.panes.chart import ChartPane, Extent
from tui.rendering.axes import VisibleRange
from tui.rendering.colour import Palette
from tui.rendering.numbers import nats
from tui.rendering.plot import draw
from tui.rendering.strips import DIM, line
from tui.rendering.sweep_chart import TITLES, SweepView, What, sweep_chart, values_at


class BandsPane(ChartPane):
    """Draws one of `what` is measured of the groups that `show_groups` gives; `v` turns to the next one."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.BANDS]

    def __init__(self, what: Sequence[What], **options: Any) -> None:
        super().__init__(**options)
        self._what = tuple(what)
        self._place = 0
        self._groups: list[Group] = []
        self._chosen = ""
        self._look = SweepView()
        self._drawn: tuple[object, ...] = ()

    @property
    def what(self) -> What:
        """What it draws."""
        return self._what[self._place]

    def show_groups(self, groups: Sequence[Group], chosen: str) -> None:
        """Draw the curves of `groups`; that of the run `chosen` stands out."""
        self._groups, self._chosen = list(groups), chosen
        news = (chosen, *(self._news(group) for group in groups))
        if news != self._drawn:
            self._drawn = news
            self._draw()

    def _news(self, group: Group) -> tuple[object, ...]:
        bands = (group.val_loss, group.loss, group.norms, group.reach)
        return (group.label, *(None if each is None else (len(each.x), float(each.median[-1])) for each in bands))

    def turn(self) -> None:
        """Draw the next thing that can be drawn here."""
        self._place = (self._place + 1) % len(self._what)
        self._look = dataclasses.replace(self._look, visible=VisibleRange(), cursor=None)
        self._draw()

    # --- drawing ---------------------------------------------------------------------------

    def on_mount(self) -> None:
        self._entitle()

    def _draw(self) -> None:
        self._entitle()
        self.repaint()

    def _entitle(self) -> None:
        self.entitle(TITLES[self.what], self._reading())

    def _reading(self) -> str:
        """The lowest values at the cursor."""
        if self._look.cursor is None:
            return ""
        values = values_at(self._groups, self.what, self._look.cursor)[:3]
        return f"step {self._look.cursor:,.0f}: {' · '.join(f'{name} {nats(value)}' for name, value in values)}"

    def paint(self, width: int, height: int, palette: Palette) -> list[Strip]:
        chart = sweep_chart(self._groups, self.what, self._look, self._chosen, (width, height), palette)
        if chart is None:
            return [
                *[Strip.blank(width)] * (height // 2),
                line([("nothing is measured yet".center(width), DIM)], width),
            ]
        return draw(chart, width, height)

    # --- keys ------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.what != "norms" or action not in ("log_x", "log_y", "cursor", "zoom", "pan")

    @property
    def chart_view(self) -> SweepView:
        return self._look

    def extent(self) -> Extent | None:
        bands = [group.val_loss if self.what == "val_loss" else group.loss for group in self._groups]
        ends = [(each.x[0], each.x[-1]) for each in bands if each is not None]
        if not ends or self.what == "norms":
            return None
        first, last = float(np.min(ends)), float(np.max(ends))
        return Extent(first, last, last, self._look.log_x) if first < last else None

    def change_chart(self, **changes: Any) -> None:
        self._look = dataclasses.replace(self._look, **changes)
        self._draw()

    def action_log_y(self) -> None:
        self.change_chart(log_y=not self._look.log_y)

    def action_log_x(self) -> None:
        self.change_chart(log_x=not self._look.log_x)
