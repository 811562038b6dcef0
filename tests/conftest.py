"""What tests of several features share."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import settings

from engine.runs.lock import holder

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


# What gives up after some seconds, for a user who waits. A test that is about giving up sets its own number.
IMPATIENT = (
    "engine.probes.pattern.PATIENCE",
    "engine.remote.client.TRIES",
    "engine.remote.connected.FAREWELL_SECONDS",
    "engine.remote.connected.SILENCE_SECONDS",
    "engine.remote.connection.CONNECT_SECONDS",
    "engine.remote.far.LINE_SECONDS",
    "engine.remote.handshake.HANDSHAKE_SECONDS",
    "engine.remote.server.FAREWELL_SECONDS",
    "engine.remote.server.HELLO_SECONDS",
    "engine.session.background.FORGOTTEN",
    "engine.session.baselines.PATIENCE",
    "engine.session.tensorboard.CLOSE_SECONDS",
    "tui.app.foreground.BUSY",
    "tui.app.foreground.PATIENCE",
)


@pytest.fixture(scope="session", autouse=True)
def nothing_gives_up() -> Iterator[None]:
    """A loaded machine may stop any thread for longer than a user would wait."""
    with pytest.MonkeyPatch.context() as patch:
        for name in IMPATIENT:
            patch.setattr(name, 300)
        yield


@pytest.fixture(scope="session", autouse=True)
def nothing_is_remembered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The programs that tests start have settings of their own, and leave the user's alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


TypeCheck = Callable[[], tuple[int, str]]  # the exit code of mypy and what it says


@pytest.fixture(scope="session", autouse=True)
def check_types(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TypeCheck]:
    """Waits for mypy, which works from the first test on, if its own is among them: most leave a core to it."""
    said = tmp_path_factory.mktemp("types") / "said"
    with contextlib.ExitStack() as stack:
        started: list[subprocess.Popen[bytes]] = []
        if any(item.name == "test_the_types_are_right" for item in request.session.items):
            output = stack.enter_context(said.open("wb"))
            command = [sys.executable, "-m", "mypy"]
            process = subprocess.Popen(command, cwd=Path(__file__).parent.parent, stdout=output, stderr=output)
            stack.callback(process.wait)
            stack.callback(process.kill)
            os.setpriority(os.PRIO_PROCESS, process.pid, 10)  # the others do not wait for it
            started.append(process)

        def check_types() -> tuple[int, str]:
            return started[0].wait(), said.read_text()

        yield check_types


@pytest.fixture(autouse=True)
def no_run_stays(request: pytest.FixtureRequest) -> Iterator[None]:
    """End the runs below `tmp_path` that went into the background, also where the test fails."""
    place = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    for lock in place.rglob("lock") if place is not None else ():
        pid = holder(lock.parent)
        if pid and pid != os.getpid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def shared_data() -> Path:
    """Real texts beside the checkout, which the project does not ship; the test skips where there are none."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    return folder
