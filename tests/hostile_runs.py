"""Puts commands before run directories that somebody has tampered with, each in a process with limits of its own.

As a program it reads a directory's path from each line, and answers with a line of JSON: what every command did.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

CPU_SECONDS = 5  # after which the system ends a command
WALL_SECONDS = 30  # after which this program does: it hangs
BYTES = 4 << 30  # of address space: more raises `MemoryError` in a command

# NAME is the run's directory. `look` opens it as `attach` does, without a screen.
COMMANDS = (
    ("runs", "DIRECTORY", "--list"),
    ("runs", "DIRECTORY", "--json"),
    ("sample", "NAME", "--length", "20"),
    ("probe", "NAME", "the fox", "--json"),
    ("gradients", "NAME", "--json"),
    ("inside", "NAME", "the fox", "--json"),
    ("eval", "NAME"),
    ("cells", "NAME", "the fox", "--json"),
    ("look", "NAME"),
    ("train", "--resume", "NAME", "--headless", "--steps", "32"),
)


@dataclass(frozen=True)
class Done:
    """What one command did."""

    command: str
    code: int  # 0 and 2 are good; 70 is an exception, a negative number the signal that ended it
    out: str
    err: str
    seconds: float  # of processor time
    megabytes: float  # at most, resident


def look(path: Path) -> int:
    """Ask all instruments about the run in `path`, and print what the dashboard would say."""
    from engine.errors import UserError
    from engine.remote.archive import ArchiveLink
    from engine.session.messages import INSTRUMENTS, SetView, View

    try:
        link = ArchiveLink(path)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    with contextlib.closing(link):
        steps = [0, None]
        for step in steps:
            number = link.send(SetView(View(prompt="the fox", visible=INSTRUMENTS, moment=step)))
            end = time.monotonic() + WALL_SECONDS
            while time.monotonic() < end:
                snapshot = link.take()
                if snapshot is not None and snapshot.obeyed == number:
                    print(snapshot.state, snapshot.warning)
                    break
                time.sleep(0.002)
            else:
                return 71
        for event in link.events():
            print(type(event).__name__, getattr(event, "text", ""))
    return 0


def run(command: tuple[str, ...], name: Path) -> Done:
    """Run one command on the run `name` in a forked process."""
    words = [{"NAME": str(name), "DIRECTORY": str(name.parent)}.get(word, word) for word in command]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            _be_limited(lambda: look(name) if words[0] == "look" else _main(words), out.fileno(), err.fileno())
        end = time.monotonic() + WALL_SECONDS
        while True:
            ended, status, usage = os.wait4(child, os.WNOHANG)
            if ended:
                break
            if time.monotonic() > end:
                os.kill(child, 9)
            time.sleep(0.002)
        out.seek(0)
        err.seek(0)
        texts = [file.read(1 << 20).decode("utf-8", "surrogateescape") for file in (out, err)]
    code = os.waitstatus_to_exitcode(status)
    seconds = usage.ru_utime + usage.ru_stime
    return Done(words[0], code, texts[0], texts[1], seconds, usage.ru_maxrss / 1000)


def _main(words: list[str]) -> int:
    from tui.cli import main

    return main(words)


def _be_limited(action: Callable[[], int], out: int, err: int) -> None:
    os.dup2(out, 1)
    os.dup2(err, 2)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    code = 70
    try:
        code = action()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    """Answer for each directory on standard input."""
    import tui.cli.cells
    import tui.cli.eval
    import tui.cli.gradients
    import tui.cli.headless
    import tui.cli.inside
    import tui.cli.probe
    import tui.cli.runs
    import tui.cli.sample
    import tui.cli.train  # noqa: F401  before it forks: every command needs them

    for line in sys.stdin:
        done = [asdict(run(command, Path(line.rstrip("\n")))) for command in COMMANDS]
        print(json.dumps(done), flush=True)


if __name__ == "__main__":
    serve()
