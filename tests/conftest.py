"""What tests of several features share."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import settings

Handler = Callable[[int, FrameType | None], object] | int | None  # as `signal.getsignal` gives it

settings.register_profile("any machine", deadline=None)  # a loaded one is slow, and no test is about that
settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def signals_as_in_a_terminal() -> Iterator[None]:
    """A script's background job has some ignored, and so would every program have that a test starts."""
    usual: dict[signal.Signals, Handler] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGQUIT: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,
    }
    before: dict[signal.Signals, Handler] = {number: signal.getsignal(number) for number in usual}
    for number, handler in usual.items():
        signal.signal(number, handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def shared_data() -> Path:
    """Real texts beside the checkout, which the project does not ship; the test skips where there are none."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    return folder
