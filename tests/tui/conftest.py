"""What several tests of the screen need around them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tui.app.foreground import Foreground


@pytest.fixture
def keys_wait_for_no_idle_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """After each key, Textual's pilot waits up to two seconds for a process that does not compute: not if it trains."""

    async def let_the_app_go_on(*limits: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr("textual.app.wait_for_idle", let_the_app_go_on)


@pytest.fixture
def foreground() -> Iterator[Foreground]:
    """The runs of this process; they end with the test."""
    foreground = Foreground()
    yield foreground
    foreground.end()
