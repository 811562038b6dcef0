"""Another host that is this one: a command in place of `ssh`, which has a shell run what ssh would send there."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
from pathlib import Path

import engine
from engine.remote.ssh import Address
from tests.e2e.program import PROGRAM
from tui.cli.attach import RELAY

HOME = Path(engine.__file__).parent.parent
THERE = f"PYTHONPATH={shlex.quote(str(HOME))} {shlex.join(PROGRAM)}"  # this very program, whatever is installed


def fake_ssh(place: Path, before: str = "") -> tuple[str, ...]:
    """A command for `Address.ssh`. `before` is a script of the shell that runs first; `$*` are its options."""
    script = place / "fake-ssh"
    script.write_text(f'#!/bin/sh\n{before}\nfor last; do :; done\necho "Welcome to this host"\nexec sh -c "$last"\n')
    script.chmod(0o700)
    return (str(script),)


def far(place: Path, run: Path | str, before: str = "", program: str = THERE) -> Address:
    """The address of a run on the host "far"."""
    return Address("far", str(run), fake_ssh(place, before), program, RELAY)


def relays(run: Path) -> list[int]:
    """The processes that pass on the run in a directory."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"--relay" in words and os.fsencode(run) in words:
                found.append(int(entry.name))
    return found


def cut(run: Path) -> None:
    """Cut the lines to the run in a directory."""
    for pid in relays(run):
        os.kill(pid, signal.SIGKILL)
