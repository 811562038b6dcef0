"""All kept samples, one below the other: what stands in each line, and which lines change with new text."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from textual.strip import Strip

from engine.session.messages import Sample
from tui.rendering.sample_text import Inks, SampleText

MOST_SAMPLES = 200


@dataclass(frozen=True, slots=True)
class Change:
    """The effect of a new sample: everything from `line`, `column` on differs."""

    line: int
    column: int = 0
    heading: int | None = None  # the line of the sample's heading, if that differs too
    dropped: int = 0  # lines removed at the top


class SampleLog:
    """Up to `MOST_SAMPLES` samples. The last one may still be growing."""

    def __init__(self, columns: int = 80) -> None:
        self.columns = columns
        self._texts: list[SampleText] = []
        self._tops: list[int] = [0]  # where each begins, and where the next one will

    @property
    def height(self) -> int:
        """Lines of all samples together."""
        return self._tops[-1]

    @property
    def last_top(self) -> int:
        """The line at which the last sample begins."""
        return self._tops[-2] if self._texts else 0

    @property
    def is_growing(self) -> bool:
        """Whether the last sample gets longer."""
        return bool(self._texts) and self._texts[-1].live

    @property
    def usual_height(self) -> int:
        """Lines of the last sample but one; the last one will have about as many."""
        return self._texts[-2].height if len(self._texts) > 1 else 0

    def clear(self) -> None:
        self._texts.clear()
        self._measure()

    def take(self, sample: Sample, *, live: bool) -> Change | None:
        """Add a sample, or extend the last one if `sample` is a longer version of it; None if nothing changed."""
        last = self._texts[-1] if self._texts else None
        if last is not None and not last.live and _same(last.sample, sample):
            return None
        if last is not None and last.live:
            top, (line, column) = self.last_top, last.end
            lines, heading = last.height, last.heading
            if last.grow(sample, live=live):
                self._measure()
                if last.height > lines:
                    column = 0  # a word may have moved to the next line
                return Change(top + line, column, top if last.heading != heading else None)
            self._texts.pop()  # it was abandoned, or its end never arrived
        self._measure()
        line = self.height
        self._texts.append(SampleText(sample, self.columns, live=live))
        dropped = sum(text.height for text in self._texts[:-MOST_SAMPLES])
        del self._texts[:-MOST_SAMPLES]
        self._measure()
        return Change(line - dropped, dropped=dropped)

    def rewrap(self, columns: int, line: int) -> int:
        """Wrap all samples to a new width; returns the new line of the text that stood in `line`."""
        number, inside = self._find(line)
        self.columns = columns
        self._texts = [SampleText(text.sample, columns, live=text.live) for text in self._texts]
        self._measure()
        return self._tops[number] + min(inside, self._texts[number].height - 1) if self._texts else 0

    def draw(self, line: int, inks: Inks) -> Strip:
        """Line number `line` as a strip; blank below the last one."""
        if not 0 <= line < self.height:
            return Strip.blank(self.columns)
        number, inside = self._find(line)
        return self._texts[number].draw(inside, inks)

    def __iter__(self) -> Iterator[Sample]:
        return (text.sample for text in self._texts)

    def _find(self, line: int) -> tuple[int, int]:
        number = max(min(bisect_right(self._tops, line), len(self._texts)) - 1, 0)
        return number, line - self._tops[number]

    def _measure(self) -> None:
        self._tops = list(accumulate((text.height for text in self._texts), initial=0))


def _same(one: Sample, other: Sample) -> bool:
    return (one.step, one.prompt, one.text) == (other.step, other.prompt, other.text)
