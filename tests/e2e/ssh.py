"""An SSH server of our own on this machine, for as long as a test lasts."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.program import environment
from tests.e2e.terminal import PATIENCE, WIDE, Terminal

HOST = f"{getpass.getuser()}@127.0.0.1"


class SshServer:
    """`sshd` on a free `port` of 127.0.0.1, with keys and settings in `place` only."""

    def __init__(self, place: Path) -> None:
        daemon = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
        if daemon is None or shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
            pytest.skip("there is no OpenSSH server here (package openssh-server)")
        self._place = place
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place / name], check=True)
        self.port = _free_port()
        settings = {
            "Port": self.port,
            "ListenAddress": "127.0.0.1",
            "HostKey": place / "host",
            "AuthorizedKeysFile": place / "user.pub",
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "PasswordAuthentication": "no",
            "PermitRootLogin": "yes",
        }
        (place / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        if os.geteuid() == 0:  # the directory it locks itself into, which a service would make
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self._log = (place / "log").open("wb")
        self._process = subprocess.Popen(
            [daemon, "-D", "-e", "-f", place / "sshd_config"], stdout=self._log, stderr=self._log
        )
        self._wait_until_it_listens()

    def open(self, command: str, *, cwd: Path, size: tuple[int, int] = WIDE, **variables: str) -> Terminal:
        """`command` in a login on a terminal, as a person would type it."""
        settings = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
        remote = f"cd {shlex.quote(str(cwd))} && {' '.join(['exec', 'env', *settings, command])}"
        return Terminal([*self.client(), "-tt", HOST, remote], size, cwd=cwd, environment=environment())

    def client(self, port: int = 0) -> list[str]:
        """The command that connects to it; through another `port`, if one is given."""
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        options += ["-o", "IdentitiesOnly=yes", "-F", "none"]
        return ["ssh", *options, "-i", str(self._place / "user"), "-p", str(port or self.port)]

    def close(self) -> None:
        """End it; logins that are open stay."""
        self._process.kill()
        self._process.wait()
        self._log.close()

    def _wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.close()
                pytest.skip(f"sshd does not start: {(self._place / 'log').read_text().strip()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
