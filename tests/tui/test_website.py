"""The dashboard in a browser: who may come in, and the program that each visitor gets."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import sys
from argparse import Namespace
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

from engine.errors import UserError
from tests.finished_run import finish_run
from tui.app import website
from tui.app.website import Website, is_loopback, new_token
from tui.cli import commands, main, serve
from tui.terminal import hosted
from tui.terminal.hosted import HostedProgram

# A program that says its process id and its size, again whenever that changes, and then what it reads.
ECHO = """
import os, signal, sys, tty
def say(*_): print(os.getpid(), *os.get_terminal_size(), flush=True)
signal.signal(signal.SIGWINCH, say)
tty.setraw(0)
say()
while (data := os.read(0, 100)) not in (b"", b"q"): print(data, flush=True)
"""
PATHS = ("/", "/static/js/textual.js", "/ws")


@contextlib.asynccontextmanager
async def opened(*, token: str = "", script: str = ECHO) -> AsyncIterator[tuple[str, ClientSession]]:
    """The address of a website, without its token, and a browser."""
    site = Website([sys.executable, "-c", script], "127.0.0.1", 0, token)
    async with site.opened() as address, ClientSession() as browser:
        assert address.partition("?token=")[2] == token
        yield address.partition("/?")[0].rstrip("/"), browser


async def status(browser: ClientSession, address: str, **headers: str) -> int:
    async with browser.get(address, headers=headers, allow_redirects=False) as response:
        return response.status


async def until(visitor: ClientWebSocketResponse, what: bytes) -> bytes:
    """What the program writes, up to `what`."""
    heard = b""
    while what not in heard:
        message = await visitor.receive(120)
        assert message.type == WSMsgType.BINARY, (message, heard)
        heard += message.data
    return heard


async def process_of(visitor: ClientWebSocketResponse, size: bytes = b"80 24") -> int:
    """The id of the program that a visitor gets."""
    return int((await until(visitor, size + b"\n")).split()[0])


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(120):
        while not is_gone(pid):
            await asyncio.sleep(0.005)


# --- who may come in -----------------------------------------------------------------------------


async def test_the_page_and_its_files_are_served_and_load_nothing_from_elsewhere() -> None:
    async with opened() as (address, browser):
        async with browser.get(address) as response:
            page = await response.text()
            assert "default-src 'self'" in response.headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
        assert "//" not in page.replace("// ", "")  # no other site's address
        for file in ("static/js/textual.js", "static/css/xterm.css"):
            assert file in page
            assert await status(browser, f"{address}/{file}") == HTTPStatus.OK


@pytest.mark.parametrize("path", PATHS)
async def test_pages_of_other_sites_are_refused(path: str) -> None:
    async with opened() as (address, browser):
        host = address.removeprefix("http://")
        assert await status(browser, address + path, Origin="http://evil.example") == HTTPStatus.FORBIDDEN
        assert await status(browser, address + path, Origin="null") == HTTPStatus.FORBIDDEN
        assert await status(browser, address + path, Host="evil.example") == HTTPStatus.FORBIDDEN
        assert await status(browser, address + path, Host="127.0.0.1.evil.example:80") == HTTPStatus.FORBIDDEN
        welcome = HTTPStatus.BAD_REQUEST if path == "/ws" else HTTPStatus.OK  # it is no websocket
        assert await status(browser, address + path, Origin=f"http://{host}") == welcome
        for other in ("localhost:9000", "[::1]:9000", "[::1]", "localhost"):  # through a port that ssh forwards
            assert await status(browser, address + path, Host=other) == welcome


async def test_without_its_token_nothing_is_served() -> None:
    token = new_token()
    async with opened(token=token) as (address, browser):
        for path in PATHS:
            assert await status(browser, address + path) == HTTPStatus.FORBIDDEN
            assert await status(browser, f"{address}{path}?token={token[:-1]}") == HTTPStatus.FORBIDDEN
        with pytest.raises(WSServerHandshakeError):
            await browser.ws_connect(f"{address}/ws?token={token}")  # it stays out of addresses but for the first
        async with browser.get(f"{address}/?token={token}&fontsize=20", allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (HTTPStatus.SEE_OTHER, "/?fontsize=20")
            cookie = response.headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Lax" in cookie
        name, _, value = cookie.partition(";")[0].partition("=")
        assert value.strip('"') == token
        async with ClientSession(cookies={name: token}) as known:
            for path in PATHS[:2]:
                assert await status(known, address + path) == HTTPStatus.OK
            assert await status(known, address, Origin="http://evil.example") == HTTPStatus.FORBIDDEN
            async with known.ws_connect(f"{address}/ws", headers={"Cookie": f"{name}={token}"}) as visitor:
                await process_of(visitor)


def test_tokens_differ_and_cannot_be_guessed() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) >= 32 for token in tokens)


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        *((host, True) for host in ("127.0.0.1", "127.3.2.1", "::1", "localhost")),
        *((host, False) for host in ("0.0.0.0", "", "10.0.0.1", "::", "localhost.evil.example")),
    ],
)
def test_only_a_loopback_address_is_this_machine_alone(host: str, alone: bool) -> None:
    assert is_loopback(host) == alone


async def test_a_port_that_is_taken_is_said() -> None:
    async with opened() as (address, _):
        port = int(address.rpartition(":")[2])
        with pytest.raises(UserError, match=f"port {port}: cannot be had"):
            async with Website(["true"], "127.0.0.1", port).opened():
                pass


# --- the program of a visitor --------------------------------------------------------------------


async def test_each_visitor_has_a_program_with_a_terminal_that_ends_with_the_visit() -> None:
    async with opened() as (address, browser):
        first = await browser.ws_connect(f"{address}/ws?width=100&height=30")
        second = await browser.ws_connect(f"{address}/ws")
        one, other = await process_of(first, b"100 30"), await process_of(second)
        assert one != other
        await first.send_json(["stdin", "p狐"])
        await until(first, repr("p狐".encode()).encode())
        await first.send_json(["resize", {"width": 120, "height": 36}])
        assert await process_of(first, b"120 36") == one
        await first.send_json(["resize", {"width": 10**9, "height": -1}])
        await until(first, f"{hosted.COLUMNS} 1".encode())
        await first.send_json(["ping", "7"])
        assert json.loads((await first.receive(120)).data) == ["pong", "7"]
        await first.close()
        await until_gone(one)
        assert not is_gone(other)
        await second.send_json(["stdin", "q"])  # it ends by itself
        assert (await second.receive(120)).type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
        await until_gone(other)


async def test_a_browser_that_leaves_a_program_that_reads_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    script = "import os, time, tty\ntty.setraw(0)\nprint(os.getpid(), '80 24', flush=True)\nwhile True: time.sleep(9)"
    async with opened(script=script) as (address, browser):
        visitor = await browser.ws_connect(f"{address}/ws")
        program = await process_of(visitor)
        monkeypatch.setattr(website, "MOST_TYPED", 150_000)
        for _ in range(3):  # more than a terminal keeps for a program; the second is too much, and dropped
            await visitor.send_json(["stdin", "x" * 100_000])
        await visitor.send_json(["ping", "7"])
        assert json.loads((await visitor.receive(120)).data) == ["pong", "7"]
        await visitor.close()
        await until_gone(program)


async def test_no_program_is_left_when_the_server_ends() -> None:
    async with opened() as (address, browser):
        visitors = [await browser.ws_connect(f"{address}/ws") for _ in range(3)]
        programs = [await process_of(visitor) for visitor in visitors]
    assert all(map(is_gone, programs))


@pytest.mark.parametrize(
    "nonsense",
    [
        "no json",
        "[" * 5000,
        '["resize", {"width": "wide"}]',
        '["resize", {"width": [1]}]',
        '["resize", {"height": Infinity}]',
        b"\x00",
        "x" * (website.MOST_BYTES + 1),
    ],
    ids=["no json", "deep", "no number", "list", "infinite", "bytes", "long"],
)
async def test_nonsense_ends_one_visit_only(nonsense: str | bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with opened() as (address, browser):
        other = await browser.ws_connect(f"{address}/ws")
        await process_of(other)
        visitor = await browser.ws_connect(f"{address}/ws")
        program = await process_of(visitor)
        await (visitor.send_bytes(nonsense) if isinstance(nonsense, bytes) else visitor.send_str(nonsense))
        message: Any = None
        while message is None or message.type == WSMsgType.BINARY:
            message = await visitor.receive(120)
        assert message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
        await until_gone(program)
        await other.send_json(["stdin", "a"])
        await until(other, b"b'a'")
    assert not caplog.records  # no traceback


async def test_an_address_with_a_wrong_size_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    async with opened() as (address, browser):
        for size in ("width=wide", "height=", f"width={'9' * 5000}"):
            with pytest.raises(WSServerHandshakeError, match="400"):
                await browser.ws_connect(f"{address}/ws?{size}")
    assert not caplog.records  # no traceback


@pytest.mark.parametrize(
    "request_",
    [
        b"\0" * 100,
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
    ],
    ids=["no HTTP", "no host", "a length without end"],
)
async def test_what_is_no_request_is_refused_without_a_word_here(
    request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened() as (address, _):
        host, _, port = address.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request_)
        assert b" 400 " in await reader.readline()
        writer.close()
    assert not caplog.records


async def test_a_program_that_cannot_start_is_said_and_the_next_visitor_comes_in(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(website, "MOST_VISITORS", 1)
    async with opened() as (address, browser):
        with monkeypatch.context() as limited:
            limited.setattr("tui.terminal.hosted.pty.openpty", refuse)
            visitor = await browser.ws_connect(f"{address}/ws")
            assert b"Too many open files" in (await visitor.receive(120)).data
            assert (await visitor.receive(120)).type == WSMsgType.CLOSE
        await process_of(await browser.ws_connect(f"{address}/ws"))
    assert not caplog.records


async def test_a_visitor_too_many_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(website, "MOST_VISITORS", 1)
    async with opened() as (address, browser):
        visitor = await browser.ws_connect(f"{address}/ws")
        await process_of(visitor)
        assert await status(browser, f"{address}/ws") == HTTPStatus.SERVICE_UNAVAILABLE


async def test_a_program_gives_way_to_the_training_once_it_has_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosted, "START_SECONDS", 0.0)
    script = "import threading\nthreading.Thread(target=input).start()\ninput()"
    program = await HostedProgram.start([sys.executable, "-c", script], (80, 24))
    lower = min(os.getpriority(os.PRIO_PROCESS, 0) + hosted.NICENESS, 19)
    threads = Path(f"/proc/{program._process.pid}/task")
    async with asyncio.timeout(120):
        while [os.getpriority(os.PRIO_PROCESS, int(thread.name)) for thread in threads.iterdir()] != [lower, lower]:
            await asyncio.sleep(0.005)
    await program.close()
    program.give_way()  # which is nobody's business any more


async def test_a_program_that_does_not_want_to_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosted, "END_SECONDS", 0.1)
    stubborn = "import signal, time\nfor n in (1, 15): signal.signal(n, signal.SIG_IGN)\nprint('x', flush=True)"
    stubborn += "\nwhile True: time.sleep(1)"
    program = await HostedProgram.start([sys.executable, "-c", stubborn], (80, 24))
    heard = b""
    while b"\n" not in heard:  # a terminal may give the beginning of a line
        heard += await program.read()
    await program.close()
    assert program._process.returncode == -9


async def test_a_program_may_end_while_it_is_given_more_than_it_reads() -> None:
    script = "import os, tty\ntty.setraw(0)\nprint('x', flush=True)\nos.read(0, 1)"
    program = await HostedProgram.start([sys.executable, "-c", script], (80, 24))
    while b"x" not in await program.read():
        pass
    await asyncio.wait_for(program.write(b"x" * 100_000), 120)  # more than a terminal keeps for a program
    await program.close()


async def test_a_program_knows_nothing_of_the_servers_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in hosted.FOREIGN:
        monkeypatch.setenv(name, "7")
    script = f"import os; print([os.environ.get(name) for name in {[*hosted.FOREIGN, 'TERM', 'COLORTERM']}])"
    program = await HostedProgram.start([sys.executable, "-c", script], (200, 24))
    heard = b""
    while data := await program.read():
        heard += data
    await program.close()
    assert heard.decode().strip() == str([*[None] * len(hosted.FOREIGN), "xterm-256color", "truecolor"])


# --- the command ---------------------------------------------------------------------------------


def options_of(*arguments: str) -> Namespace:
    return commands.build_parser("serve").parse_args(arguments)


def test_the_run_that_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="there are no runs"):
        serve._run_to_show(options_of("--port", "0"))
    (tmp_path / "runs").mkdir()
    finish_run(tmp_path / "runs" / "otter")
    assert serve._run_to_show(options_of()).samefile("runs/otter")
    assert serve._run_to_show(options_of("otter", "--host", "0.0.0.0", "--theme", "light")).samefile("runs/otter")
    begun: list[Path] = []
    monkeypatch.setattr(serve, "spawn", begun.append)
    hare = serve._run_to_show(options_of("runs/fox.txt", "--hidden", "8", "--run", "runs/hare", "--threads", "1"))
    assert begun == [hare]
    assert hare.samefile("runs/hare")
    resumed = serve._run_to_show(options_of("--resume", "otter", "--steps", "60", "--threads", "1"))
    assert begun == [hare, resumed]
    assert resumed.samefile("runs/otter")
    with pytest.raises(UserError, match="no-such"):
        serve._run_to_show(options_of("no-such-run-or-text"))


def test_what_is_wrong_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--port", "70000"])
    assert "70000 is no port" in capsys.readouterr().err
    for host in ("a..b", "a" * 100):  # which no host can be called
        with pytest.raises(UserError, match=rf"{host}, port 0: cannot be had"):
            asyncio.run(serve_at(host))
    monkeypatch.delitem(sys.modules, "tui.app.website")
    monkeypatch.setitem(sys.modules, "textual_serve", None)
    assert main(["serve"]) == 2
    assert "pip install 'charrnn-tui[web]'" in capsys.readouterr().err


async def serve_at(host: str) -> None:
    async with Website(["true"], host, 0).opened():
        pass
