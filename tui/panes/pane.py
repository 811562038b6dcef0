"""The base classes of the five panes: a widget that gets snapshots, and one that paints them as lines."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from textual.binding import BindingType
from textual.content import Content
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.geometry import Region
from textual.message import Message
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget

from engine.session.messages import Command, Event, RunInfo, Snapshot
from tui.rendering.colour import Palette, palette_of
from tui.rendering.strips import PLAIN, fit, mark_at
from tui.terminal.selection import highlighted, selected_text

FAR_BEHIND = 1000  # steps


class MomentTurned(Message):
    """Asks the screen for the moment before (-1) or after (1) the one shown: the wheel was turned."""

    def __init__(self, places: int) -> None:
        self.places = places
        super().__init__()


class ViewChanged(Message):
    """Asks the app to change the view: `changes` maps fields of `engine.session.messages.View` to new values."""

    def __init__(self, **changes: Any) -> None:
        self.changes = changes
        super().__init__()


class CommandRequested(Message):
    """Asks the app to send a command to the run. `number` is the command's number, once it is sent."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self.number: int | None = None
        super().__init__()

    def is_obeyed(self, snapshot: Snapshot) -> bool:
        """Whether the run had obeyed the command when it made `snapshot`."""
        return self.number is not None and snapshot.obeyed >= self.number


class Pane(Widget, can_focus=True):
    """One instrument of the dashboard, in one place of it, where others may take turns with it.

    The dashboard calls `begin` for each run that comes on the screen, `hear` for every event, and `show` with the
    newest snapshot a few times a second while the pane is visible. `show` redraws only what changed. A pane's keys
    work while it has the focus; BINDINGS lists them, each with an id and a tooltip.

    What a place shows is called a view; VIEWS names those of the pane. The dashboard tells each pane the names of all
    views of its place (`views_here`), which stand on the border.

    The dashboard shows one moment in all panes: a step whose weights are kept, or now. It calls `look_at` when that
    changes, and from then on `show` gets no answers of another one. Until the first answer, the title says what is
    awaited.
    """

    BINDINGS: ClassVar[list[BindingType]] = []
    HELP: ClassVar[str] = ""  # Markdown: how to read this pane
    INSTRUMENT: ClassVar[str] = ""  # what it asks of a run (`View.visible`); empty if it draws what is always there
    ANSWERS: ClassVar[tuple[str, ...]] = ()  # the fields of a snapshot in which its answers come
    VIEWS: ClassVar[tuple[str, ...]] = ()
    moment: int | None = None  # the step that the dashboard shows; None is now
    is_awaiting = False  # what the pane shows is of another moment

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.views_here = self.VIEWS  # those of its place

    @property
    def view(self) -> str:
        """The name of the view it shows."""
        return self.VIEWS[0] if self.VIEWS else ""

    def choose_view(self, view: str) -> None:
        """Show the view of this name, one of VIEWS."""

    def help_text(self) -> str:
        """Markdown: how to read this pane, and what of it depends on the run."""
        return self.HELP

    def begin(self, info: RunInfo) -> None:
        """Forget the previous run, because the run of `info` comes on the screen."""

    def look_at(self, moment: int | None) -> None:
        """Show the run as it was after step `moment`; None: as it is now."""
        self.moment, self.is_awaiting = moment, True

    def answered(self) -> None:
        """What the pane shows is of its moment, from now on."""
        self.is_awaiting = False

    def is_older(self, step: int, now: int) -> bool:
        """Whether an answer from the weights of `step` lies far behind the run, which is at step `now`.

        Answers may lag, because the instruments get only a small share of the time. At a moment they never do.
        """
        return self.moment is None and now - step >= FAR_BEHIND

    @property
    def awaited(self) -> str:
        """What the title says of an answer that is awaited; empty if none is."""
        if not self.is_awaiting:
            return ""
        return f" → {'now' if self.moment is None else f'step {self.moment:,}'} …"

    def forget_requests(self) -> None:
        """Forget the commands sent to the process that had the run: another one has it now, and did not get them."""

    def take_over(self, changes: dict[str, Any]) -> None:
        """Take over what this pane shares with another one, which has made `changes` in the view."""

    def hear(self, event: Event) -> None:
        """Take note of an event in the run."""

    def show(self, snapshot: Snapshot) -> None:
        """Draw the newest snapshot."""

    # --- what it says, as text -------------------------------------------------------------

    def line_at(self, y: int) -> Strip:
        """Line `y` of all that it has, seen or not; blank where there is none."""
        return Strip.blank(self.size.width)

    @property
    def subtitle(self) -> str:
        """What the lower border says, or would with more room."""
        return str(self.border_subtitle or "")

    def seen_lines(self) -> list[Strip]:
        """The lines that are seen."""
        region = self.scrollable_content_region
        return [self.line_at(y + self.scroll_offset.y) for y in range(region.height)]

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        return selected_text(self, selection, self.virtual_size), "\n"


class PaintedPane(Pane):
    """A pane made of lines. Subclasses define `paint`, and call `repaint` when its result may have changed."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._strips: list[Strip] = []
        self._named: tuple[str | Content, str | Content] = ("", "")  # without the views, and without what is awaited
        self._written: tuple[Content, Content] | None = None

    @property
    def strips(self) -> list[Strip]:
        """The lines that are shown."""
        return self._strips

    def line_at(self, y: int) -> Strip:
        return self._strips[y] if y < len(self._strips) else super().line_at(y)

    @abstractmethod  # checked by mypy alone: Textual's metaclass excludes ABCMeta
    def paint(self, width: int, height: int, palette: Palette) -> list[Strip]:
        """The lines of the picture, each `width` cells wide; those beyond `height` are not shown."""

    def entitle(self, title: str | Content, subtitle: str | Content = "") -> None:
        """Write `title` and `subtitle` on the border; of a subtitle in words as many of its parts as fit.

        After the title come the names of the views of this place, if there are several; the one shown is underlined.
        """
        self._named = title, subtitle
        self._write_titles()

    @property
    def subtitle(self) -> str:
        return str(self._named[1])

    def _write_titles(self) -> None:
        """Write the titles if they differ from those there: setting one redraws the pane."""
        width = self.size.width
        title, subtitle = (Content(text) if isinstance(text, str) else text for text in self._named)
        title += self.awaited
        if len(self.views_here) > 1:
            title = Content("  ").join([title, self._views_line(width - title.cell_length)])
        if isinstance(self._named[1], str) and width:
            parts = [(part, PLAIN) for part in self._named[1].split(" · ")]
            subtitle = Content("".join(text for text, _ in fit(parts, width)))
        if (title, subtitle) != self._written:
            self._written = title, subtitle
            self.border_title, self.border_subtitle = title, subtitle

    def _views_line(self, room: int) -> Content:
        """The names of the views; if they do not fit into `room` cells, only the name of the one shown."""
        names = [Content.styled(name, "bold underline" if name == self.view else "") for name in self.views_here]
        whole = Content(" · ").join(names)
        if not self.size.width or whole.cell_length + 4 <= room:
            return whole
        place = self.views_here.index(self.view)
        return names[place] + f" {place + 1}/{len(names)}"

    def look_at(self, moment: int | None) -> None:
        super().look_at(moment)
        self._write_titles()

    def answered(self) -> None:
        super().answered()
        self._write_titles()

    def repaint(self) -> None:
        """Paint again, and send only the lines that differ from those on the screen."""
        if not self.is_on_screen:
            if self._strips:
                self._start_afresh()  # otherwise the old lines would appear when the pane is shown again
            return
        before, self._strips = self._strips, self._painted()
        if len(before) != len(self._strips):
            self.refresh()
            return
        width = self.size.width
        changed = [y for y, (old, new) in enumerate(zip(before, self._strips, strict=True)) if old != new]
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def render_line(self, y: int) -> Strip:
        if len(self._strips) != self.size.height:
            self._strips = self._painted()
        return highlighted(self._strips[y].apply_style(self.rich_style), self.text_selection, y)

    def _painted(self) -> list[Strip]:
        width, height = self.size
        strips = self.paint(width, height, palette_of(self.app))[:height]
        return strips + [Strip.blank(width)] * (height - len(strips))

    def _start_afresh(self) -> None:
        self._strips = []
        self.refresh()

    def on_mount(self) -> None:
        self.watch(self.app, "theme", self._start_afresh, init=False)

    def on_resize(self) -> None:
        self._write_titles()
        self._start_afresh()

    # --- mouse -----------------------------------------------------------------------------

    def wheel(self, by: int, column: int) -> None:
        """The wheel was turned over a column: up (-1) or down (1). It walks through the moments of the run."""
        self.post_message(MomentTurned(by))

    def clicked(self, column: int, row: int) -> None:
        """A character was clicked."""

    def mark_at(self, column: int, row: int, *, in_row: bool = False) -> dict[str, int | str]:
        """What the picture has marked at a character, or else `in_row` (`tui.rendering.strips.marked`)."""
        return mark_at(self._strips[row], column, in_row=in_row) if row < len(self._strips) else {}

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self.wheel(-1, event.x - self.gutter.left)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self.wheel(1, event.x - self.gutter.left)

    def on_click(self, event: Click) -> None:
        offset = event.get_content_offset(self)
        if offset is not None:
            self.clicked(offset.x, offset.y)

    def on_focus(self) -> None:  # a caret is shown only with the focus
        self.repaint()

    def on_blur(self) -> None:
        self.repaint()
