"""How often the gradient was clipped: since the last line of metrics, and lately."""

from __future__ import annotations

from collections import deque

RECENT = 100  # steps


class ClippedShare:
    """The share of steps, 0 … 1, in which clipping changed the gradient. All are None where nothing is clipped."""

    def __init__(self, is_used: bool) -> None:
        self._is_used = is_used
        self.since_report = 0  # clipped steps since the last line of metrics; a checkpoint keeps it
        self._recent: deque[bool] = deque(maxlen=RECENT)

    def add(self, was_clipped: bool) -> None:
        """Count a step."""
        self.since_report += was_clipped
        self._recent.append(was_clipped)

    def report(self, steps: int) -> float | None:
        """The share of the `steps` since the last line of metrics."""
        return round(self.since_report / steps, 4) if self._is_used else None

    @property
    def lately(self) -> float | None:
        """The share of the last 100 steps, or of all, if there were fewer in this process."""
        return sum(self._recent) / len(self._recent) if self._is_used and self._recent else None

    def forget(self) -> None:
        """Begin anew: the run has gone back to earlier weights."""
        self.since_report = 0
        self._recent.clear()
