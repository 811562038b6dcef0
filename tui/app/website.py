"""The dashboard in a browser: textual-serve's terminal, and for each visitor a program on a terminal of its own.

The program draws on a pseudo-terminal as on any other, and not with textual-serve's driver: so a browser that takes
nothing, that leaves or that dies is a terminal that does so.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import json
import logging
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import textual_serve
from aiohttp import WSCloseCode, WSMsgType, web
from aiohttp.http_exceptions import HttpProcessingError

from engine.errors import UserError
from tui.terminal.hosted import HostedProgram

PAGE = Path(__file__).with_suffix(".html")
STATIC = Path(textual_serve.__file__).parent / "static"  # a terminal for browsers, xterm.js
MOST_VISITORS = 64  # as many viewers as a run takes
MOST_BYTES = 1 << 20  # of a message from a browser: a paste
MOST_TYPED = 4 * MOST_BYTES  # that a program has not read yet
HEARTBEAT = 15.0  # seconds between two questions whether the browser is still there
NARROW = (80, 24)
# The page loads nothing from elsewhere, and no other page may show it in a frame or learn its address.
HEADERS = {
    "Content-Security-Policy": "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; connect-src 'self' data: ws: wss:; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

# For faults of the server's own; what is no HTTP is answered, and not worth a word.
_LOGGER = logging.getLogger(__name__)
_LOGGER.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError)))

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Website:
    """Serves `command`, which draws on a terminal, to browsers on `host` and `port` (0: any that is free).

    Without a `token`, only programs on this machine may come: the address has to be a loopback one, and requests that a
    page of another site makes are refused. With a token, the page, its files and the connection want it, in the address
    at first and then in a cookie.
    """

    def __init__(
        self,
        command: Sequence[str],
        host: str,
        port: int,
        token: str = "",
        *,
        is_live: Callable[[], bool] = lambda: True,
    ) -> None:
        self._is_live = is_live
        self._command, self._host, self._port, self._token = command, host, port, token
        self._open: set[web.WebSocketResponse] = set()
        self._visitors = 0

    async def run(self, say: Callable[[str], None]) -> None:
        """Serve until a signal comes; `say` gets the address. Raises `UserError` if the port cannot be had."""
        ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        async with self.opened() as address:
            say(address)
            await ended.wait()

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[str]:
        """Serve in a `with` block, which gets the address. All visitors' programs have ended after it."""
        app = web.Application(middlewares=[self._guard()])
        app.add_routes([web.get("/", self._page), web.get("/ws", self._connect), web.static("/static", STATIC)])
        app.on_shutdown.append(self._part)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, logger=_LOGGER)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, self._host, self._port).start()
            except (OSError, UnicodeError, OverflowError) as error:  # a host's name may be none
                reason = getattr(error, "strerror", None) or str(error)
                raise UserError(f"{self._host}, port {self._port}: cannot be had ({reason}); choose another") from None
            secret = f"?token={self._token}" if self._token else ""
            yield f"http://{_named(*runner.addresses[0][:2])}/{secret}"
        finally:
            await runner.cleanup()

    # --- who may come in ---------------------------------------------------------------------

    def _guard(self) -> Any:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            if refusal := self._refusal(request):
                return web.Response(status=403, text=refusal)
            if self._token and "token" in request.query and request.path == "/":
                return self._give_cookie(request)
            response = await handler(request)
            if not response.prepared:
                response.headers.update(HEADERS)
            return response

        return guard

    def _refusal(self, request: web.Request) -> str:
        """Why a request is refused; empty if it is not.

        A page of another site could send requests to this machine: they name that site in `Origin`. After its name has
        been given the address of this machine (DNS rebinding), they name it in `Host`.
        """
        origin = request.headers.get("Origin")
        if origin is not None and origin.partition("://")[2] != request.host:
            return "This page belongs to another site.\n"
        if not self._token:
            return "" if is_loopback(_host_of(request)) else "Use the address that the program has printed.\n"
        given = request.cookies.get(self._cookie, "")
        if request.path == "/":
            given = request.query.get("token", given)
        is_right = hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode())
        return "" if is_right else "Use the address that the program has printed, with its token.\n"

    @property
    def _cookie(self) -> str:
        return f"charrnn-tui-{self._port}"  # browsers keep one jar for all ports of a host

    def _give_cookie(self, request: web.Request) -> web.Response:
        """Have the browser keep the token, and take it out of the address, which is shown and remembered."""
        others = {name: value for name, value in request.query.items() if name != "token"}
        response = web.Response(status=303, headers={"Location": str(request.rel_url.with_query(others)), **HEADERS})
        response.set_cookie(self._cookie, self._token, httponly=True, samesite="Lax")
        return response

    # --- the page and the connection ---------------------------------------------------------

    async def _page(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGE)

    async def _part(self, app: web.Application) -> None:
        """Say to the visitors that the server ends."""
        for websocket in set(self._open):
            await websocket.close(code=WSCloseCode.GOING_AWAY)

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        """Start a program for one visitor. End it when the browser leaves; let the browser go when it ends."""
        try:
            size = _size(dict(request.query))
        except ValueError:
            raise web.HTTPBadRequest(text="The size of the terminal is no number.\n") from None
        if self._visitors >= MOST_VISITORS:
            raise web.HTTPServiceUnavailable(text=f"{MOST_VISITORS} visitors look at this run already.\n")
        self._visitors += 1
        websocket = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=MOST_BYTES)
        try:
            await websocket.prepare(request)
            self._open.add(websocket)
            # A run that has ended may be taken up in the visitor's own program, and is to train at full speed.
            gives_way = self._is_live()
            try:
                program = await HostedProgram.start(self._command, size, gives_way=gives_way)
            except OSError as error:  # a limit of the system; other visitors go on
                await websocket.send_bytes(f"no program can be started for you ({error.strerror})\r\n".encode())
                await websocket.close(code=WSCloseCode.TRY_AGAIN_LATER)
                return websocket
            showing = asyncio.create_task(_show(program, websocket))
            try:
                await _listen(websocket, program)
            finally:
                showing.cancel()
                await asyncio.gather(showing, return_exceptions=True)
                await asyncio.shield(program.close())
        finally:
            self._visitors -= 1
            self._open.discard(websocket)
        return websocket


def is_loopback(host: str) -> bool:
    """Whether a host's name or address stands for this machine alone."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def new_token() -> str:
    """A word that cannot be guessed."""
    return secrets.token_urlsafe(24)


async def _show(program: HostedProgram, websocket: web.WebSocketResponse) -> None:
    """Send what the program writes; a browser that takes nothing makes it wait, as a terminal does."""
    with contextlib.suppress(ConnectionError):
        while data := await program.read():
            await websocket.send_bytes(data)
    await websocket.close()


async def _listen(websocket: web.WebSocketResponse, program: HostedProgram) -> None:
    """Pass on what the browser sends until it leaves, or sends what the page does not send."""
    typed = _Typed(program)
    passing = asyncio.create_task(typed.pass_on())
    try:
        await _hear(websocket, program, typed)
    finally:
        passing.cancel()
        await asyncio.gather(passing, return_exceptions=True)


class _Typed:
    """What a visitor types, until the `program` reads it: one that hangs must not hide that the browser leaves."""

    def __init__(self, program: HostedProgram) -> None:
        self._program = program
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue()
        self._bytes = 0  # that wait

    def add(self, data: bytes) -> None:
        """Have the program read `data`; what is too much for one that reads nothing is dropped, as terminals do."""
        if self._bytes + len(data) <= MOST_TYPED:
            self._bytes += len(data)
            self._waiting.put_nowait(data)

    async def pass_on(self) -> None:
        """Give the program what waits, for ever."""
        while True:
            data = await self._waiting.get()
            await self._program.write(data)
            self._bytes -= len(data)


async def _hear(websocket: web.WebSocketResponse, program: HostedProgram, typed: _Typed) -> None:
    async for message in websocket:
        if message.type != WSMsgType.TEXT:
            return
        try:
            match json.loads(message.data):
                case ["stdin", str(text)]:
                    typed.add(text.encode("utf-8", "replace"))
                case ["resize", dict(size)]:
                    program.resize(_size(size))
                case ["ping", data]:
                    await websocket.send_json(["pong", data])
        except (ValueError, RecursionError):
            return


def _size(values: dict[str, Any]) -> tuple[int, int]:
    """Columns and rows; those of a narrow terminal where there are none. Raises `ValueError`."""
    try:
        columns, rows = (int(values.get(name, least)) for name, least in zip(("width", "height"), NARROW, strict=True))
    except (TypeError, OverflowError):  # of a list, of infinity
        raise ValueError from None
    return columns, rows


def _named(address: str, port: int) -> str:
    """An address that is bound, as a browser takes it: by this machine's name where it is every address."""
    if ipaddress.ip_address(address).is_unspecified:
        address = socket.gethostname()
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _host_of(request: web.Request) -> str:
    """The host without its port."""
    return request.host.rpartition(":")[0].strip("[]") if request.host[-1:].isdigit() else request.host.strip("[]")
