"""What tests of several features share."""

from pathlib import Path

import pytest


@pytest.fixture
def shared_data() -> Path:
    """Real texts beside the checkout, which the project does not ship; the test skips where there are none."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    return folder
