"""Which panes are seen: those that the user chose, as many as the screen has room for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.widgets import Static

from tui.panes import keys
from tui.terminal.hasty_input import OverScreen

# Columns and rows from which all panes are legible at once, or two beside each other, or two below each other.
ROOM_FOR_ALL, ROOM_FOR_A_ROW, ROOM_FOR_A_STACK = (110, 32), (100, 24), (80, 40)
ROW_FROM = 3  # columns for each row of the screen from which two panes lie beside each other where both ways fit


def room(size: Size, count: int) -> int:
    """How many of `count` panes a screen of `size` shows at once: all of them, two or one."""
    if _holds(size, ROOM_FOR_ALL):
        return count
    return min(2, count) if _holds(size, ROOM_FOR_A_ROW) or _holds(size, ROOM_FOR_A_STACK) else 1


def is_stacked(size: Size) -> bool:
    """Whether two panes lie below each other on a screen of `size`, and not beside each other."""
    if not _holds(size, ROOM_FOR_A_ROW):
        return True
    return _holds(size, ROOM_FOR_A_STACK) and size.width < ROW_FROM * size.height


def _holds(size: Size, room: tuple[int, int]) -> bool:
    return size.width >= room[0] and size.height >= room[1]


class Layout:
    """The panes that the user chose, `chosen`, and the one with the focus, `current`, which is always seen.

    Where there is no room for all of them, those stay that had the focus last.
    """

    def __init__(self, places: Iterable[str]) -> None:
        self._places = tuple(places)
        self._recent = list(self._places)  # the one with the focus first
        self.chosen = self._places
        self.is_zoomed = False

    @property
    def current(self) -> str:
        """The pane that has the focus, or had it last."""
        return self._recent[0]

    def go_to(self, place: str) -> None:
        """Give `place` the focus."""
        if place != self.current:
            self._recent.remove(place)
            self._recent.insert(0, place)

    def choose(self, places: Iterable[str]) -> None:
        """See `places`, those of them that there are; all if there are none of them."""
        wanted = set(places)
        self.chosen = tuple(place for place in self._places if place in wanted) or self._places
        if self.current not in self.chosen:
            self.go_to(self.chosen[0])

    def after(self, by: int) -> str:
        """The chosen pane `by` places after the current one."""
        ring = [place for place in self._places if place in self.chosen or place == self.current]
        return ring[(ring.index(self.current) + by) % len(ring)]

    def seen(self, size: Size) -> tuple[str, ...]:
        """The panes that a screen of `size` shows."""
        count = 1 if self.is_zoomed else room(size, len(self.chosen))
        shown = [place for place in self._recent if place in self.chosen or place == self.current][:count]
        return tuple(place for place in self._places if place in shown)


class LayoutChosen(Message):
    """The user chose to see the panes in `places`."""

    def __init__(self, places: tuple[str, ...]) -> None:
        self.places = places
        super().__init__()


class LayoutRow(Static):
    """The title of a pane, after a mark that says whether it is seen and the number key that changes that."""

    def __init__(self, number: int, title: str) -> None:
        super().__init__()
        self._number, self._title = number, title

    def mark(self, is_chosen: bool) -> None:
        sign = ("■", "bold $primary") if is_chosen else ("□", "$foreground-muted")
        self.update(Content.assemble(sign, (f" {self._number}", "$foreground-muted"), f" {self._title}"))

    async def on_click(self) -> None:
        await self.run_action(f"screen.turn({self._number})")


class LayoutScreen(OverScreen[None]):
    """The panes by their titles, to be chosen; `choose` is called with the chosen ones whenever they change."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.LAYOUT]

    def __init__(
        self, titles: Mapping[str, str], chosen: Collection[str], choose: Callable[[tuple[str, ...]], object]
    ) -> None:
        super().__init__()
        self._rows = {place: LayoutRow(number, title) for number, (place, title) in enumerate(titles.items(), start=1)}
        self._chosen = set(chosen)
        self._choose = choose

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static("Which panes are seen, where there is room? A number or a click takes one away, or brings it.")
            with Vertical():
                yield from self._rows.values()
            yield Static("esc: done", classes="-muted")

    def on_mount(self) -> None:
        self._mark()

    def _mark(self) -> None:
        for place, row in self._rows.items():
            row.mark(place in self._chosen)

    def action_turn(self, number: int) -> None:
        """See the pane with this number, or see it no more, unless it is the only one."""
        chosen = self._chosen ^ {list(self._rows)[number - 1]}
        if chosen:
            self._chosen = chosen
            self._mark()
            self._choose(tuple(chosen))
