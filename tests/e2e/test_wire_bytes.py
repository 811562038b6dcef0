"""The default dashboard is bearable over a slow line. A loaded machine draws less, so this cannot fail for that."""

from __future__ import annotations

import pytest

from tests.e2e.terminal import NARROW
from tests.e2e.wire_bytes import kilobytes_per_second


@pytest.mark.parametrize(("size", "most"), [(NARROW, 15.0), ((160, 50), 40.0)])
def test_bytes_on_the_wire(size: tuple[int, int], most: float) -> None:
    assert 0 < kilobytes_per_second(size, 4.0) < most


def test_fewer_frames_cost_less() -> None:
    assert kilobytes_per_second((160, 50), 4.0, "--fps", "0.5") < 10.0
