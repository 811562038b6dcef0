"""The dashboard in a browser: each visitor has a program of its own on the same run, and none is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pyte
from aiohttp import ClientSession, ClientWebSocketResponse

from engine.runs.reader import RunReader
from tests.e2e.conftest import Start, Started
from tests.e2e.program import PHYSICS, run
from tests.e2e.terminal import PATIENCE, WIDE
from tests.waiting import wait_for


class Visitor:
    """A browser with the page open: what it shows, and what is typed there."""

    def __init__(self, connection: ClientWebSocketResponse) -> None:
        self._connection = connection
        self._screen = pyte.Screen(*WIDE)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def text(self) -> str:
        return "\n".join(self._screen.display)

    async def type(self, keys: str) -> None:
        await self._connection.send_json(["stdin", keys])

    async def until(self, condition: Callable[[], object]) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    self._stream.feed(await self._connection.receive_bytes())
        except TimeoutError:
            raise AssertionError(f"too long:\n{self.text}") from None

    async def until_shown(self, text: str) -> None:
        await self.until(lambda: text in self.text)

    @property
    def colours(self) -> set[str]:
        """Those behind the characters of the typed prompt."""
        row = next(row for row, line in enumerate(self._screen.display) if "› the energy" in line)
        start = self._screen.display[row].index("› the energy") + 2
        return {self._screen.buffer[row][start + place].bg for place in range(len("the energy"))}


def programs(run_directory: Path) -> list[int]:
    """The processes that show the run."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"attach" in words and os.fsencode(run_directory) in words:
                found.append(int(entry.name))
    return found


def address_of(server: Started) -> str:
    """What the server prints once it serves."""
    wait_for(lambda: "\n" in server.out.read_text())
    name, address = server.out.read_text().split()
    assert name == "it:"
    return address


async def look(address: str) -> None:
    size = f"width={WIDE[0]}&height={WIDE[1]}"
    async with ClientSession() as browser:
        async with (
            browser.ws_connect(f"{address}ws?{size}") as first,
            browser.ws_connect(f"{address}ws?{size}") as second,
        ):
            one, other = Visitor(first), Visitor(second)
            await one.until_shown("▶ training")
            await other.until_shown("▶ training")
            await one.type("pthe energy")
            await one.until_shown("› the energy")
            await one.until(lambda: len(one.colours) > 2)
            await other.type(" ")
            await other.until_shown("‖ paused")
            await one.until_shown("‖ paused")
        async with browser.ws_connect(f"{address}ws?{size}") as tab:
            again = Visitor(tab)
            await again.until_shown("‖ paused")
            await again.type(" ")
            await again.until_shown("▶ training")
            await again.type("q")
            await again.until_shown("Leave")
            await again.type("l")
            await again.until_shown("it goes on: charrnn-tui attach")


async def look_until_it_is_killed(address: str, pid: int) -> None:
    async with ClientSession() as browser, browser.ws_connect(f"{address}ws") as connection:
        await Visitor(connection).until_shown("charrnn-tui")
        os.kill(pid, signal.SIGKILL)


def test_visitors_share_a_run_and_leave_no_program_behind(start: Start, tmp_path: Path) -> None:
    run_directory = tmp_path / "it"
    assert run(*PHYSICS, "--run", "it", "--detach", cwd=tmp_path).returncode == 0
    try:
        for end in (signal.SIGTERM, signal.SIGKILL):
            server = start("serve", "it", "--port", "0")
            address = address_of(server)
            if end == signal.SIGTERM:
                asyncio.run(look(address))
                wait_for(lambda: not programs(run_directory))
                server.process.send_signal(end)
                assert server.process.wait(PATIENCE) == 0
                assert f"goes on: charrnn-tui attach {run_directory}\n" in server.out.read_text()
            else:
                asyncio.run(look_until_it_is_killed(address, server.process.pid))
            wait_for(lambda: not programs(run_directory))
            assert server.errors.read_bytes() == b""
        assert RunReader(run_directory).pid is not None
    finally:
        run("stop", "it", cwd=tmp_path)
