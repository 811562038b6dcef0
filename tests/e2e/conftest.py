"""Programs that end with the test, however that ends."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from tests.e2e.program import PROGRAM, environment
from tests.e2e.ssh import SshServer
from tests.e2e.terminal import WIDE, Terminal


class Open(Protocol):
    """What the fixture `open_terminal` gives."""

    def __call__(
        self,
        *arguments: str | Path,
        size: tuple[int, int] = WIDE,
        controlling: bool = True,
        env: dict[str, str] | None = None,
    ) -> Terminal: ...


@pytest.fixture
def open_terminal(tmp_path: Path) -> Iterator[Open]:
    """`open_terminal(*arguments, size=…)`: the program on a terminal of its own, in `tmp_path`."""
    with contextlib.ExitStack() as stack:

        def open_terminal(
            *arguments: str | Path,
            size: tuple[int, int] = WIDE,
            controlling: bool = True,
            env: dict[str, str] | None = None,
        ) -> Terminal:
            command = [*PROGRAM, *map(str, arguments)]
            variables = environment(**(env or {}))
            terminal = Terminal(command, size, cwd=tmp_path, environment=variables, controlling=controlling)
            stack.callback(terminal.close)
            return terminal

        yield open_terminal


@dataclass
class Started:
    """A process without a terminal, and the files its output goes to."""

    process: subprocess.Popen[bytes]
    out: Path
    errors: Path


class Start(Protocol):
    """What the fixture `start` gives."""

    def __call__(self, *arguments: str | Path) -> Started: ...


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start(*arguments)`: the program in `tmp_path`, without a terminal."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: str | Path) -> Started:
            out, errors = tmp_path / "out.txt", tmp_path / "errors.txt"
            process = subprocess.Popen(
                [*PROGRAM, *map(str, arguments)],
                cwd=tmp_path,
                stdin=subprocess.DEVNULL,
                stdout=stack.enter_context(out.open("wb")),
                stderr=stack.enter_context(errors.open("wb")),
                env=environment(),
                start_new_session=True,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            return Started(process, out, errors)

        yield start


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SshServer]:
    """An SSH server on this machine."""
    place = tmp_path / "ssh"
    place.mkdir(mode=0o700)
    server = SshServer(place)
    yield server
    server.close()
