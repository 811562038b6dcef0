"""One sample as lines of a given width: a heading, then the text, each character coloured by its probability."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from engine.session.messages import Sample
from tui.rendering.colour import MOST_BITS, Ramp
from tui.rendering.strips import line
from tui.rendering.text import visible, width

TAB = visible("\t") + "   "  # visible, and still an indentation
LONGEST_WORD = 24  # cells; a longer one is broken at the edge
CARET = "▌"


@dataclass(frozen=True, slots=True)
class Inks:
    """The styles of the parts of a sample."""

    surprise: Ramp
    head: Style
    warning: Style
    prompt: Style
    caret: Style


def steps_of(sample: Sample) -> str:
    """The training step of a sample, or the first and the last, if training went on while it was written."""
    if sample.last_step is None:
        return f"step {sample.step:,}"
    return f"steps {sample.step:,}–{sample.last_step:,}"


class SampleText:
    """A sample, wrapped to `columns` cells. When it grows, only its last line is wrapped again."""

    def __init__(self, sample: Sample, columns: int, *, live: bool = False) -> None:
        self.sample, self.columns, self.live = sample, max(columns, 1), live
        self._text = sample.prompt + sample.text
        self._starts = [0]
        self._wrap()

    @property
    def height(self) -> int:
        """Lines, with the heading."""
        return 1 + len(self._starts)

    @property
    def end(self) -> tuple[int, int]:
        """Line and column of the next character."""
        return len(self._starts), sum(map(_cells, self._text[self._starts[-1] :]))

    @property
    def heading(self) -> tuple[str, str]:
        """As many facts about the sample as there is room for, and its defects (loops, illegal characters)."""
        sample = self.sample
        settings = "greedy" if sample.temperature == 0 else f"T {sample.temperature:g}"
        parts = {
            "step": steps_of(sample),
            "val": "",
            "settings": settings,
            "words": "",
            "legal": "",
            "alarm": "",
        }
        if sample.held:
            parts["held"] = f"{sample.held} unit{'s' if sample.held > 1 else ''} held"
        if sample.val_loss is not None:
            parts["val"] = f"val {sample.val_loss:.2f}"
        if sample.word_share is not None:
            parts["words"] = f"words {sample.word_share:.0%}"
        if sample.illegal is not None:
            parts["alarm" if sample.illegal else "legal"] = f"illegal {sample.illegal}"
        if sample.repeats:
            parts["alarm"] = " · ".join(filter(None, ("loops", parts["alarm"])))
        for least in ("settings", "legal", "words", "val"):  # the first to be left out
            if len(" · ".join(filter(None, parts.values()))) > self.columns - 3:
                parts[least] = ""
        alarm = parts.pop("alarm")
        return " · ".join(filter(None, parts.values())), f" · {alarm}" if alarm else ""

    def grow(self, sample: Sample, *, live: bool) -> bool:
        """Extend to `sample` if it is a longer version of this one. Otherwise change nothing, and return False."""
        text = sample.prompt + sample.text
        if sample.prompt != self.sample.prompt or not text.startswith(self._text):
            return False
        self.sample, self.live, self._text = sample, live, text
        self._wrap()
        return True

    def draw(self, number: int, inks: Inks) -> Strip:
        """Line `number`: 0 is the heading."""
        if number == 0:
            return self._draw_heading(inks)
        start = self._starts[number - 1]
        last = number == len(self._starts)
        shown = self._text[start : None if last else self._starts[number]].rstrip("\n")
        segments = [
            Segment("".join(glyph for glyph, _ in run), style)
            for style, run in groupby(
                zip(map(_glyph, shown), self._inks(start, len(shown), inks), strict=True), lambda pair: pair[1]
            )
        ]
        if last and self.live:
            segments.append(Segment(CARET, inks.caret))
        return Strip(segments).adjust_cell_length(self.columns)

    def _draw_heading(self, inks: Inks) -> Strip:
        plain, warning = self.heading
        rest = max(self.columns - 3 - len(plain + warning), 0)
        ends = [("─ ", inks.head), (plain, inks.head), (warning, inks.warning), (" " + "─" * rest, inks.head)]
        return line(ends, self.columns)

    def _inks(self, start: int, count: int, inks: Inks) -> list[Style]:
        """The style of each of `count` characters from `start`."""
        prompt = min(max(len(self.sample.prompt) - start, 0), count)
        first = start + prompt - len(self.sample.prompt)
        probability = np.asarray(self.sample.probability[first : first + count - prompt], np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            levels = inks.surprise.levels(-np.log2(probability) / MOST_BITS)
        styles = [inks.surprise.styles[level] for level in levels]
        return [inks.prompt] * prompt + styles + [Style()] * (count - prompt - len(styles))

    def _wrap(self) -> None:
        """Wrap the text from the start of its last line on. Lines break at newlines, after spaces, in long words."""
        text, starts, longest = self._text, self._starts, min(LONGEST_WORD, self.columns // 2)
        begin, column, word = starts[-1], 0, starts[-1]
        for index in range(begin, len(text)):
            char = text[index]
            if char == "\n":
                begin, column, word = index + 1, 0, index + 1
                starts.append(begin)
                continue
            cells = _cells(char)
            if column + cells > self.columns and index > begin and not (char == " " and column == self.columns):
                begin = word if begin < word and index - word <= longest else index
                column, word = sum(map(_cells, text[begin:index])), begin
                starts.append(begin)
            column += cells
            if char == " ":
                word = index + 1


def _cells(char: str) -> int:
    return len(TAB) if char == "\t" else width(char)


def _glyph(char: str) -> str:
    return TAB if char == "\t" else visible(char)
