"""The command of `--on-end`: set, and waited for, so that how it ended is said before this process ends."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator

from engine.session.end_command import EndCommand
from engine.session.session import Session
from tui.cli.output import remark

SHORT = 1.0  # seconds for which a command is waited for without a word


@contextlib.contextmanager
def ending(session: Session, command: str, say: Callable[[str], None]) -> Iterator[None]:
    """A context in which `session` ends with `command`, if there is one; it is waited for."""
    end = EndCommand(command, say) if command else None
    if end is not None:
        session.on_end = end
    try:
        yield
    finally:
        wait_for(end)


def wait_for(command: EndCommand | None) -> None:
    """Wait for `command`, which may take long. A signal ends this process, and leaves the command alone."""
    if command is None or not command.is_running:
        return
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    command.wait(SHORT)
    if command.is_running:
        remark("the command for the end still runs; ctrl+c leaves it alone")
        command.wait()
