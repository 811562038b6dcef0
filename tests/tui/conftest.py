"""What several tests of the screen need around them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tui.app.foreground import Foreground


@pytest.fixture
def foreground() -> Iterator[Foreground]:
    """The runs of this process; they end with the test."""
    foreground = Foreground()
    yield foreground
    foreground.end()
