"""Frames come as often as their cost allows."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tui.app.pace import SLOWEST, Pace


class Times:
    """A clock, and the thread's work, which is told what a frame costs."""

    def __init__(self) -> None:
        self.now = self.worked = 5.0


@pytest.mark.parametrize(("cost", "between"), [(0.0, 0.25), (0.002, 0.25), (0.01, 0.5), (0.018, 1.0), (0.5, SLOWEST)])
def test_the_dearer_frames_are_the_rarer_they_come(cost: float, between: float) -> None:
    times, frames = Times(), []
    pace = Pace(0.02, lambda: times.now, lambda: times.worked, credit=0)
    for _ in range(100):  # four times a second
        if pace.allows_a_frame():
            frames.append(times.now)
            times.worked += cost
        times.now += 0.25
    assert {later - earlier for earlier, later in pairwise(frames)} == {between}
    assert len(frames) >= 20


def test_a_credit_pays_for_frames_besides() -> None:
    times, frames = Times(), []
    pace = Pace(0.02, lambda: times.now, lambda: times.worked, credit=0.1)
    while times.now < 105:
        if pace.allows_a_frame():
            frames.append(times.now)
            times.worked += 0.018
        times.now += 0.25
    between = [later - earlier for earlier, later in pairwise(frames)]
    assert between[:5] == [0.25] * 5
    assert set(between[5:]) == {1.0}
