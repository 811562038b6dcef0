"""The terminal under the program: a driver that survives its loss, and the signals that end a run in good order."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import Any

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

PATIENCE_MS = 300  # with a terminal that takes nothing
END_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

_held: list[int] = []  # what came while nobody could act on it


class Driver(LinuxDriver):
    """Textual's driver, which takes it for granted that the terminal is there and reads what it is sent.

    Here a write never blocks the event loop: what a stuck terminal does not take is dropped, and `lost` says
    that the screen has to be painted again.
    """

    lost = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        if not os.isatty(0):  # a text came in that way
            keyboard = os.open("/dev/tty", os.O_RDWR)
            os.dup2(keyboard, 0)
            os.close(keyboard)
        if isinstance(sys.__stderr__, TextIOWrapper):  # where Textual writes; the locale may not know its frames
            sys.__stderr__.reconfigure(encoding="utf-8")
        super().__init__(*arguments, **options)

    @property
    def backlog(self) -> int:
        """Frames written and not yet taken by the terminal."""
        return self._writer_thread._queue.qsize() if self._writer_thread else 0

    @property
    def gone(self) -> bool:
        """Whether the terminal has been closed. The input thread would read its end for ever."""
        if not self.input_tty:
            return False
        poll = select.poll()
        poll.register(self.fileno, 0)
        return bool(poll.poll(0))

    def write(self, data: str) -> None:
        """Hand `data` to the writing thread, if that still writes."""
        thread = self._writer_thread
        if thread is None or not thread.is_alive() or thread._queue.full():
            self.lost = True
        else:
            thread.write(data)

    def close(self) -> None:
        """Let what was written reach the terminal, if it is still taking anything."""
        thread = self._writer_thread
        if thread is None:
            return
        if not thread._queue.full():
            thread._queue.put(None)
        thread.join(PATIENCE_MS / 1000)

    @property
    def stuck(self) -> bool:
        """Whether a write hangs, holding the lock of standard error, for which the interpreter would wait; or would."""
        if self._writer_thread is not None and self._writer_thread.is_alive():
            return True
        poll = select.poll()
        poll.register(2, select.POLLOUT)
        return not poll.poll(PATIENCE_MS)

    def _sigcont_application(self, *_: Any) -> None:
        """Take the terminal back, but only if it was given away: SIGSTOP and SIGCONT may come from anybody."""
        if self._must_signal_resume:
            super()._sigcont_application()
        else:
            self.lost = True


def hold_signals() -> None:
    """Let the signals that end the process wait: for `on_signal`, or for nothing where it ends already.

    Blocking them would not do: the threads of the BLAS were there before, and would take them.
    """
    for number in END_SIGNALS:
        signal.signal(number, lambda number, _: _held.append(number))


def on_signal(app: App[Any], end: Callable[[], object]) -> None:
    """Call `end` when the process is asked to go, or its terminal goes; also if that happened before."""
    if app.is_headless:
        return
    loop = asyncio.get_running_loop()
    for number in END_SIGNALS:
        loop.add_signal_handler(number, end)
    if _held:
        end()


def is_gone(app: App[Any]) -> bool:
    """Whether the terminal of `app` has been closed."""
    return isinstance(app._driver, Driver) and app._driver.gone


def is_behind(app: App[Any]) -> bool:
    """Whether the terminal has yet to take an earlier frame; then the next one can wait."""
    return isinstance(app._driver, Driver) and app._driver.backlog > 1


def was_lost(app: App[Any]) -> bool:
    """Whether something did not reach the screen since the last call, and now could."""
    driver = app._driver
    if not isinstance(driver, Driver) or not driver.lost or driver.backlog:
        return False
    driver.lost = False
    return True


def finish(app: App[Any]) -> None:
    """After the program: where the terminal is gone or stuck, do not let the interpreter's last flush trip over it."""
    driver = app._driver
    if not isinstance(driver, Driver):
        return
    if driver.stuck:
        os._exit(app.return_code or 0)
    if driver.gone:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (sys.__stdin__, sys.__stdout__, sys.__stderr__):
            if stream is not None:
                os.dup2(nowhere, stream.fileno())
