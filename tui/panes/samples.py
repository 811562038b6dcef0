"""The samples pane: the text that the network writes, as it writes it, below the earlier samples."""

from __future__ import annotations

from typing import Any, ClassVar

from rich.style import Style
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from engine.session.messages import (
    Command,
    Event,
    RunInfo,
    Sample,
    SampleAgain,
    SampleFinished,
    SamplingSettings,
    SetSampling,
    ShiftSampling,
    Snapshot,
)
from tui.panes import keys
from tui.panes.pane import CommandRequested, Pane
from tui.rendering.colour import palette_of
from tui.rendering.sample_log import Change, SampleLog
from tui.rendering.sample_text import Inks
from tui.terminal.scrolling import grow_to
from tui.terminal.selection import highlighted

WARMER = 0.1  # a key adds this to the temperature


class SamplesPane(Pane, ScrollView):
    """Text with a colour for each character. As it grows, only new characters are drawn, not the whole pane."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"samples--head", "samples--warning", "samples--prompt", "samples--caret"}
    DEFAULT_CSS = """
    SamplesPane {
        overflow-x: hidden;
        overflow-y: scroll;
        scrollbar-size-vertical: 1;
        .samples--head { color: $secondary; }
        .samples--warning { color: $warning; text-style: bold; }
        .samples--prompt { color: $primary; text-style: bold; }
        .samples--caret { color: $primary; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*keys.SAMPLES]
    INSTRUMENT = "samples"
    ANSWERS = ("sample",)
    HELP = """\
# Samples

Text that the network makes up, one character after the other, with its weights at that time. It begins with the
prompt of the connectivity pane (key `P`) or with nothing.

- **Colour**: how probable each character was for the network itself, before temperature, top-k and top-p. Plain text
  was expected; the warmer the colour, the less likely the character. Underlined: below 6%; bold and underlined: below
  1.6%. An untrained network is surprised all the time; the text calms down as it learns.
- The line above each sample: the training step (or the first and the last, because the network learns on while
  it writes), the validation loss at that time, the temperature, and the share of *words* that occur in the training
  text. Real words are a beginning, not yet sense.
- *loops*: the sample repeats itself, which is usual at low temperature. *illegal*: how many characters the
  language does not allow, on the brackets text only.
- **T**: the temperature (`t` `T`). 0 always takes the most probable character, 1 draws as the network believes.
  **top-k** (`w` `W`) draws from the k most probable characters only, **top-p** (`e` `E`) from the most probable ones
  that make up this share.

The last 200 samples are kept. Control characters and other invisible ones are shown as signs: ⇥ is a tab, ␍ a carriage
return, ◌ a mark without a letter.
"""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._log = SampleLog()
        self._aside: SampleLog | None = None  # the run's samples, while that of a moment is shown
        self._following = True
        self._placing = False
        self._settings: SamplingSettings | None = None  # as the run says
        self._typed = ""  # the prompt of the connectivity pane
        self._inks: Inks | None = None

    # --- from the run ----------------------------------------------------------------------

    def begin(self, info: RunInfo) -> None:
        self._log, self._aside = SampleLog(self._log.columns), None
        self._settings, self._following = None, True
        self._place(0)
        self.refresh()
        self._entitle()

    def hear(self, event: Event) -> None:
        if isinstance(event, SampleFinished) and self._aside is not None:
            self._aside.take(event.sample, live=False)
        elif isinstance(event, SampleFinished):
            self._take(event.sample, live=False)

    def look_at(self, moment: int | None) -> None:
        super().look_at(moment)
        self._entitle()
        self.refresh_bindings()

    def show(self, snapshot: Snapshot) -> None:
        if snapshot.connectivity is not None:
            self._typed = snapshot.connectivity.prompt
        if snapshot.sampling != self._settings:
            self._settings = snapshot.sampling
            self._entitle()
        if snapshot.sample is not None:
            live = not snapshot.sample.complete
            if self.is_awaiting:
                self._turn_over(snapshot.sample, live=live)
            else:
                self._take(snapshot.sample, live=live)

    def _take(self, sample: Sample, *, live: bool) -> None:
        height = self._log.height
        change = self._log.take(sample, live=live)
        if change is None:
            return
        before = self.scroll_offset.y
        self._place(before - change.dropped)
        if self.scroll_offset.y == before - change.dropped:
            self._refresh_from(change, max(height, self._log.height))

    def _turn_over(self, sample: Sample, *, live: bool) -> None:
        """Show the sample of a moment alone, or again all that the run has written."""
        run, columns = self._aside or self._log, self._log.columns
        if self.moment is None:
            self._log, self._aside = run, None
            self._log.rewrap(columns, 0)
        else:
            self._log, self._aside = SampleLog(columns), run
        self._log.take(sample, live=live)
        self.is_awaiting, self._following = False, self.moment is None  # the whole one of a moment is read from its top
        self._place(0)
        self.refresh()
        self._entitle()

    def on_mount(self) -> None:
        self._entitle()

    # --- layout ----------------------------------------------------------------------------

    def _place(self, y: int) -> None:
        """Scroll to line `y`; while the pane follows the text, to the line that `_follow` chooses."""
        room = self.scrollable_content_region.height
        if room == 0:
            return
        if self._following:
            y = self._follow(y, room)
        self._placing = True
        grow_to(self, Size(self._log.columns, max(self._log.height, y + room if self._following else 0)))
        self.scroll_to(y=y, animate=False)
        self._placing = False

    def _follow(self, y: int, room: int) -> int:
        """The line to scroll to, so that all of the last sample will fit if it gets as long as the one before.

        Lines then stay where they are while the text grows: scrolling for each new one would send the whole
        pane to the terminal each time. A text that does not grow stands with its last line at the bottom.
        """
        top, last = self._log.last_top, max(self._log.height - 1, 0)
        if not self._log.is_growing:
            return max(last - room + 1, 0)
        needed = max(last, top + self._log.usual_height - 1)
        if y <= last and needed < y + room:
            return y
        if last - top < room:
            return max(min(needed - room + 1, top), 0)
        return y if y <= last < y + room else last - room // 2

    def _refresh_from(self, change: Change, end: int) -> None:
        """Draw what `change` changed, down to line `end`: a short sample may have replaced a longer one."""
        top, width = self.scroll_offset.y, self._log.columns
        regions = [Region(change.column, change.line - top, width - change.column, 1)]
        below = end - change.line - 1
        if below > 0:
            regions.append(Region(0, change.line + 1 - top, width, below))
        if change.heading is not None:
            regions.append(Region(0, change.heading - top, width, 1))
        view = Region(0, 0, *self.scrollable_content_region.size)
        seen = [region.intersection(view) for region in regions]
        if any(seen):
            self.refresh(*(region for region in seen if region))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Follow the growing text only while its last line is in view."""
        super().watch_scroll_y(old_value, new_value)
        if not self._placing:
            room = self.scrollable_content_region.height
            following = round(new_value) <= self._log.height - 1 < round(new_value) + room
            if following != self._following:
                self._following = following
                self._entitle()

    def on_resize(self) -> None:
        columns, y = self.scrollable_content_region.width, self.scroll_offset.y
        if columns > 0 and columns != self._log.columns:
            y = self._log.rewrap(columns, y)
            self.refresh()
        self._place(y)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._inks = None

    def render_line(self, y: int) -> Strip:
        if self._inks is None:
            parts = ("head", "warning", "prompt", "caret")
            self._inks = Inks(palette_of(self.app).surprise, *(self._part(part) for part in parts))
        line = y + self.scroll_offset.y
        return highlighted(self._log.draw(line, self._inks).apply_style(self.rich_style), self.text_selection, line)

    def line_at(self, y: int) -> Strip:
        return self._log.draw(y, self._inks) if self._inks is not None else Strip.blank(self._log.columns)

    def _part(self, name: str) -> Style:
        style = self.get_component_rich_style(f"samples--{name}")
        return Style(color=style.color, bold=style.bold)  # no background: the pane has one

    def _entitle(self) -> None:
        title = "Samples" if self._following else "Samples · earlier (end: follow)"
        self.border_title = ("Sample of the moment" if self._aside is not None else title) + self.awaited
        self.border_subtitle = "" if self._settings is None else in_words(self._settings)

    # --- keys ------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "follow" or self.moment is None  # at a moment the key leads back to now

    def action_again(self) -> None:
        self._ask(SampleAgain())

    def action_temperature(self, direction: int) -> None:
        self._ask(ShiftSampling(temperature=WARMER * direction))

    def action_top_k(self, direction: int) -> None:
        self._ask(ShiftSampling(top_k=direction))

    def action_top_p(self, direction: int) -> None:
        self._ask(ShiftSampling(top_p=direction))

    def action_prime(self) -> None:
        """Begin samples with the typed prompt, or with nothing if they begin with it already."""
        present = "" if self._settings is None else self._settings.prompt
        if not self._typed and not present:
            self.notify("Type a prompt first: press p")
            return
        self._ask(SetSampling(prompt="" if present == self._typed else self._typed))

    def action_move(self, lines: int) -> None:
        self.scroll_relative(y=lines, animate=False)

    def action_page(self, direction: int) -> None:
        self.scroll_relative(y=direction * max(self.scrollable_content_region.height - 1, 1), animate=False)

    def action_first(self) -> None:
        self.scroll_to(y=0, animate=False)

    def action_follow(self) -> None:
        self._following = True
        self._place(self.scroll_offset.y)
        self._entitle()

    def _ask(self, command: Command) -> None:
        self.post_message(CommandRequested(command))


def in_words(settings: SamplingSettings) -> str:
    """The settings in the words that stand on the border."""
    if settings.temperature == 0:
        return "greedy"
    return f"T {settings.temperature:g} · top-k {settings.top_k or 'all'} · top-p {settings.top_p:g}"
