"""The visible part of an axis whose data keeps growing at its right end."""

from __future__ import annotations

from dataclasses import dataclass

SMALLEST_SHARE = 1e-3  # of everything there is: no closer can one zoom


@dataclass(frozen=True, slots=True)
class Window:
    """`width` None shows everything; `right` None follows the newest point."""

    width: float | None = None
    right: float | None = None

    def limits(self, first: float, last: float) -> tuple[float, float]:
        """What is visible of data that reaches from `first` to `last`."""
        if self.width is None:
            return first, last
        right = last if self.right is None else min(max(self.right, first + self.width), last)
        return max(first, right - self.width), right

    def zoom(self, factor: float, about: float | None, first: float, last: float) -> Window:
        """Show `factor` times as much. `about` keeps its place on the screen; None keeps the right end."""
        low, high = self.limits(first, last)
        width = max((high - low) * factor, (last - first) * SMALLEST_SHARE)
        if width >= last - first:
            return Window()
        if about is None or not low < high:
            return Window(width, self.right)
        right = about + (high - about) / (high - low) * width
        return Window(width, None if right >= last else max(right, first + width))

    def pan(self, share: float, first: float, last: float) -> Window:
        """Move by `share` of what is visible, to the right if positive; the right end follows the newest again."""
        if self.width is None:
            return self
        right = self.limits(first, last)[1] + share * self.width
        return Window(self.width, None if right >= last else max(right, first + self.width))

    def reveal(self, place: float, first: float, last: float) -> Window:
        """Move just as far as it takes to see `place`."""
        low, high = self.limits(first, last)
        if self.width is None or low <= place <= high:
            return self
        return Window(self.width, place if place > high else place + self.width)
