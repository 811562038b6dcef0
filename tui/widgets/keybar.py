"""The last line: the keys that do something now. Each of them can be clicked."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby

from textual.content import Content
from textual.events import Click
from textual.widget import Widget

from tui.panes.pane import Pane

SHOWN_LAST = ("help", "close", "quit")
OF_THE_PANE = ("view",)  # the dashboard's, but about the focused pane


@dataclass(slots=True)
class _Item:
    label: str
    keys: list[tuple[str, str]] = field(default_factory=list)  # Textual's name of the key, and how it is written
    is_first: bool = False  # it goes before the others, as the film's

    @property
    def width(self) -> int:
        return sum(len(written) + 1 for _, written in self.keys) + len(self.label) + 2


def _width(items: list[_Item]) -> int:
    return sum(item.width for item in items)


def _fitting(items: list[_Item], room: int) -> list[_Item]:
    """As many of the first items as fit into `room` cells."""
    return [item for number, item in enumerate(items, start=1) if _width(items[:number]) <= room]


class KeyBar(Widget):
    """The dashboard's keys, then those of the focused pane, as many as fit; help and quit always.

    If not all of them fit, the pane gets a third of the line, and … opens the palette, which has them all.
    """

    def __init__(self) -> None:
        self._hits: list[tuple[int, int, str]] = []  # from column, to column, key
        super().__init__()

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.refresh())

    def _items(self) -> tuple[list[_Item], list[_Item], list[_Item]]:
        common: list[_Item] = []
        last: list[_Item] = []
        of_pane: list[_Item] = []
        active = [item for item in self.screen.active_bindings.values() if item.binding.show and item.enabled]
        for label, group in groupby(active, lambda item: item.binding.description.lower()):
            bindings = list(group)
            keys = [(item.binding.key, self.app.get_key_display(item.binding)) for item in bindings]
            is_of_pane = isinstance(bindings[0].node, Pane) or label in OF_THE_PANE
            into = of_pane if is_of_pane else last if label in SHOWN_LAST else common
            into.append(_Item(label, keys, bindings[0].binding.priority))
        common.sort(key=lambda item: not item.is_first)
        return common, of_pane, last

    def render(self) -> Content:
        """The line. `_hits` keeps the columns of each key for clicks."""
        common, of_pane, last = self._items()
        of_pane.sort(key=lambda item: item.label not in OF_THE_PANE)
        room = self.size.width - 1 - _width(last)
        if _width(common + of_pane) > room:
            last.insert(0, _Item("", [("ctrl+p", "…")]))
            room -= last[0].width
        first = _fitting(common, room * 2 // 3)
        of_pane = _fitting(of_pane, room - _width(first))
        chosen = _fitting(common, room - _width(of_pane)) + of_pane
        self._hits.clear()
        content = Content(" ")
        for item in (*chosen, *last):
            for key, written in item.keys:
                start = content.cell_length
                content = Content.assemble(content, (written, "bold $footer-key-foreground"), " ")
                self._hits.append((start, content.cell_length, key))
            start = content.cell_length
            content = Content.assemble(content, (item.label, "$foreground-muted"), "  ")
            self._hits.append((start, start + len(item.label), item.keys[-1][0]))
        return content

    def on_click(self, event: Click) -> None:
        for start, end, key in self._hits:
            if start <= event.x < end:
                self.app.simulate_key(key)
