"""Waiting for what another thread or process does, and a clock for which nothing has to wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from engine.session.messages import Link, Snapshot

PATIENCE = 120.0  # seconds that a loaded machine may take; nothing waits for them to pass

T = TypeVar("T")


class Clock:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def wait_for(condition: Callable[[], T | None], seconds: float = PATIENCE) -> T:
    """The first true value of `condition()`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.005)
    return value


def snapshot_where(link: Link, condition: Callable[[Snapshot], object]) -> Snapshot:
    """The next snapshot that `link` takes for which `condition` is true; those before it are gone."""

    def look() -> Snapshot | None:
        snapshot = link.take()
        return snapshot if snapshot is not None and condition(snapshot) else None

    return wait_for(look)
