"""Reaches a run on another host with the system's `ssh`, which asks its own questions and reads its own settings."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from engine.errors import UserError, closed_on_failure
from engine.remote.relay import GREETING
from engine.session.threads import require_thread

MOST_NOISE = 1 << 16  # bytes that a login may print before the run follows
LOOK_SECONDS = 0.2  # between two looks whether ssh says something, while it is waited for
PATIENCE = 30.0  # seconds that a connection may take which asks nothing
GRACE_SECONDS = 2.0  # that ssh gets to send the last words
# As scp has it: the connection carries bytes, and takes nothing else along that the user's settings say for logins.
PLAIN = ("-T", "-x", "-o", "ClearAllForwardings=yes", "-o", "PermitLocalCommand=no", "-o", "RemoteCommand=none")
SILENT = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=10")  # no question, and an answer in time
NEEDS_USER = ("Permission denied", "Host key verification failed")  # OpenSSH speaks English everywhere
NOT_FOUND = 127  # a shell's exit code for a command that is not there
NO_CONNECTION = 255  # ssh's own exit code

_ADDRESS = re.compile(r"(?P<host>(?:[^@/:\[\]\s]+@)?(?:[^@/:\[\]\s]+|\[[^\]/\s]+\])):(?P<run>.*)", re.DOTALL)


class NoProgramError(UserError):
    """The other host's shell does not find this program."""


class NeedsUserError(UserError):
    """The host cannot be reached without a question to the user, or refuses this user."""


@dataclass(frozen=True)
class Address:
    """A run on another host: `host` as ssh takes it, and the run's name or path there; empty: the latest one.

    `ssh` is the command that connects, `program` how the host's shell calls this program, and `relay` the words after
    it that have it pass on what it reads and writes to the run that is named behind them.
    """

    host: str
    run: str
    ssh: tuple[str, ...] = ("ssh",)
    program: str = "charrnn-tui"
    relay: tuple[str, ...] = ()

    def command(self, *, asks: bool) -> list[str]:
        """The command that connects to the run; it `asks` for passwords, or it fails if it would have to."""
        run = [shlex.quote(self.run)] if self.run else []
        there = " ".join([self.program, *self.relay, *run])
        # A login without a terminal may not have ~/.local/bin on its path, where pipx puts programs.
        there = f"sh -c {shlex.quote(f'PATH=$PATH:$HOME/.local/bin; {there}')}"
        return [*self.ssh, *PLAIN, *(() if asks else SILENT), "--", self.host.replace("[", "").replace("]", ""), there]


def parse_address(text: str) -> tuple[str, str] | None:
    """Host and run of `[USER@]HOST:[RUN]`; None if `text` is no such address. A colon behind a slash makes none.

    Raises `UserError` for a host that ssh would take for an option.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None:
        return None
    host = match["host"]
    if host.startswith("-") or "@-" in host or "[-" in host:
        raise UserError(f"{text}: a host's name does not begin with a dash; name it as `ssh` takes it")
    return host, match["run"]


class Line:
    """An ssh process, and `socket`, which is its standard input and output.

    Only if it `asks` has it this process's terminal. Raises `UserError` if it cannot be started.
    """

    def __init__(self, address: Address, *, asks: bool) -> None:
        self._address = address
        self._words: deque[str] = deque(maxlen=100)  # lines that ssh and the host have said
        self._said = 0  # how many of them were passed on
        self.socket, theirs = socket.socketpair()
        command = address.command(asks=asks)
        with theirs:
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=subprocess.PIPE,
                    start_new_session=not asks,
                    env=dict(os.environ) if asks else {**os.environ, "SSH_ASKPASS_REQUIRE": "never"},
                )
            except (OSError, ValueError) as error:
                self.socket.close()
                reason = getattr(error, "strerror", None) or error
                raise UserError(f"{command[0]}: cannot be started ({reason}); install an OpenSSH client") from None
        with closed_on_failure(partial(self.close, 0.0)):
            self._listener = require_thread("ssh", self._listen)

    def wait(self, say: Callable[[str], None], wanted: Callable[[], bool]) -> None:
        """Wait until the run follows; `say` gets what ssh says meanwhile, once it seems to wait for the user.

        Raises `UserError` if it does not come, or is not `wanted` any more.
        """
        tail, read = b"", 0
        self.socket.settimeout(LOOK_SECONDS)
        while not tail.endswith(GREETING):
            try:
                byte = self.socket.recv(1)
            except TimeoutError:
                self._pass_on(say)
                if wanted():
                    continue
                raise UserError(f"{self._address.host}: does not answer") from None
            except OSError:
                byte = b""
            read += 1
            if not byte or read > MOST_NOISE:
                raise self._failure()
            tail = tail[1 - len(GREETING) :] + byte
        self.socket.settimeout(None)

    def close(self, seconds: float = GRACE_SECONDS) -> None:
        """Close the socket, and end ssh if that has not happened within some seconds."""
        self.socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        if self._process.poll() is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1.0)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            while line := stream.readline(4096):
                if text := line.decode(errors="replace").strip():
                    self._words.append(text)

    def _pass_on(self, say: Callable[[str], None]) -> None:
        words = list(self._words)
        for line in words[self._said :]:
            say(line)
        self._said = len(words)

    def _failure(self) -> UserError:
        """What went wrong, in one sentence."""
        self.close(seconds=1.0)
        self._listener.join(1.0)
        code, host = self._process.returncode, self._address.host
        reason = self._words[-1] if self._words else ""
        if code == NOT_FOUND:
            return NoProgramError(f"{host}: the shell there does not find `{self._address.program}`")
        if code == NO_CONNECTION:
            kind = NeedsUserError if any(word in reason for word in NEEDS_USER) else UserError
            words = reason.removeprefix(f"{host}: ").rstrip(".")
            return kind(f"{host}: ssh does not connect ({words or 'it says nothing'})")
        if "unrecognized arguments" in reason:
            return UserError(f"{host}: an older version is installed there; install this one")
        if reason and code == 2:  # a sentence of this program's
            return UserError(f"{host}: {reason.removeprefix('charrnn-tui: ')}")
        return UserError(f"{host}: `{self._address.program}` does not answer there as it should (exit code {code})")


def open_line(
    address: Address,
    *,
    asks: bool,
    say: Callable[[str], None] = lambda line: None,
    wanted: Callable[[], bool] = lambda: True,
) -> Line:
    """A line to a run, on which hands can be shaken. If it `asks`, it waits for the user without an end.

    Raises `UserError` if the run cannot be reached.
    """
    deadline = None if asks else time.monotonic() + PATIENCE
    line = Line(address, asks=asks)
    with closed_on_failure(partial(line.close, 0.0)):
        line.wait(say, lambda: wanted() and (deadline is None or time.monotonic() < deadline))
    return line
