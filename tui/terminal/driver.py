"""The driver of the terminal, which survives the loss of the terminal, and signals, which save and end the run."""

from __future__ import annotations

import asyncio
import codecs
import os
import select
import signal
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import Any

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Resize
from textual.message import Message

from tui.terminal.attention import Title, notification
from tui.terminal.input_parser import InputParser

PATIENCE_MS = 300  # to wait for a terminal that accepts no output
IDLE_MS, PASTING_MS = 100, 20  # between two looks at the time, while no input comes
MOST_BYTES = 1 << 16  # that are read in one go
END_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

_held: list[int] = []  # signals that came before an app could act on them


class Driver(LinuxDriver):
    """Textual's driver, for terminals that may stop reading or disappear, and for pastes of any text.

    A write never blocks the event loop. Output that a stuck terminal does not accept is dropped, and `lost` says that
    the screen has to be painted again.
    """

    lost = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        if not os.isatty(0):  # a text was piped in: read the keys from the terminal itself
            keyboard = os.open("/dev/tty", os.O_RDWR)
            os.dup2(keyboard, 0)
            os.close(keyboard)
        if isinstance(sys.__stderr__, TextIOWrapper):  # Textual writes here; LANG=C has no line-drawing characters
            sys.__stderr__.reconfigure(encoding="utf-8")
        super().__init__(*arguments, **options)
        self.title = Title(self.write)

    @property
    def backlog(self) -> int:
        """Frames that are written but not yet accepted by the terminal."""
        return self._writer_thread._queue.qsize() if self._writer_thread else 0

    @property
    def gone(self) -> bool:
        """Whether the terminal is closed: then the input thread would read end-of-file for ever."""
        if not self.input_tty:
            return False
        poll = select.poll()
        poll.register(self.fileno, 0)
        return bool(poll.poll(0))

    def write(self, data: str) -> None:
        """Hand `data` to the writer thread, unless its queue is full or it has ended."""
        thread = self._writer_thread
        if thread is None or not thread.is_alive() or thread._queue.full():
            self.lost = True
        else:
            thread.write(data)

    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call]
        self.title.begin()

    def stop_application_mode(self) -> None:
        self.title.end()
        super().stop_application_mode()

    def close(self) -> None:
        """Wait, at most `PATIENCE_MS`, until the terminal has accepted what was written."""
        thread = self._writer_thread
        if thread is None or not thread.is_alive():  # it may never have begun
            return
        if not thread._queue.full():
            thread._queue.put(None)
        thread.join(PATIENCE_MS / 1000)

    @property
    def stuck(self) -> bool:
        """Whether a write hangs or would hang. It keeps the lock on standard error, for which Python waits at exit."""
        if self._writer_thread is not None and self._writer_thread.is_alive():
            return True
        poll = select.poll()
        poll.register(2, select.POLLOUT)
        return not poll.poll(PATIENCE_MS)

    def run_input_thread(self) -> None:
        """Send the app the events of what the terminal sends, until the driver stops or the terminal is closed.

        Bytes that are no UTF-8 are read as U+FFFD.
        """
        parser, decoder = InputParser(), codecs.getincrementaldecoder("utf-8")(errors="replace")
        poll = select.poll()
        poll.register(self.fileno, select.POLLIN)
        while not self.exit_event.is_set():
            if poll.poll(PASTING_MS if parser.is_pasting else IDLE_MS):
                try:
                    data = os.read(self.fileno, MOST_BYTES)
                except OSError:  # the terminal has been closed: `gone` says so
                    return
                if not data:
                    self.exit_event.wait(IDLE_MS / 1000)
                if text := decoder.decode(data):  # else: a part of a character
                    for event in parser.feed(text):
                        self.process_message(event)
            for event in parser.tick():
                self.process_message(event)

    def process_message(self, message: Message) -> None:
        """Hand an event of the terminal to the app.

        A report of the window's size is left out unless the terminal was asked for such reports: one that disagrees
        with the size that the system knows would have the screen laid out for both in turn, without end.
        """
        if isinstance(message, Resize) and not self._in_band_window_resize:
            return
        super().process_message(message)

    def _sigcont_application(self, *_: Any) -> None:
        """Take the terminal back after ctrl+z. After a SIGSTOP from outside, which kept it, only paint again."""
        if self._must_signal_resume:
            super()._sigcont_application()
        else:
            self.lost = True


def hold_signals() -> None:
    """Keep the signals that end the process for a later `on_signal`, instead of ending at once.

    Blocking them in this thread would not help: the threads of the BLAS, started earlier, would receive them.
    """
    for number in END_SIGNALS:
        signal.signal(number, lambda number, _: _held.append(number))


def on_signal(app: App[Any], end: Callable[[], object]) -> None:
    """Call `end` when a signal asks the process to end, or at once if one came while signals were held.

    The loop's own `add_signal_handler` would lose a signal that comes with a flood of keys: it learns of both from one
    pipe, which takes some 300 of them until they are read, and the system drops the number that finds no room there.
    """
    if app.is_headless:
        return
    loop = asyncio.get_running_loop()

    def hear(number: int, _: object) -> None:
        if loop.is_closed():
            _held.append(number)
        else:
            loop.call_soon_threadsafe(end)

    for number in END_SIGNALS:
        signal.signal(number, hear)
    if _held:
        end()


def is_gone(app: App[Any]) -> bool:
    """Whether the terminal of `app` has been closed."""
    return isinstance(app._driver, Driver) and app._driver.gone


def is_behind(app: App[Any]) -> bool:
    """Whether the terminal has yet to accept an earlier frame, so that the next one can wait."""
    return isinstance(app._driver, Driver) and app._driver.backlog > 1


def was_lost(app: App[Any]) -> bool:
    """Whether output was dropped since the last call and the terminal accepts output again."""
    driver = app._driver
    if not isinstance(driver, Driver) or not driver.lost or driver.backlog:
        return False
    driver.lost = False
    return True


def say_title(app: App[Any], text: str) -> None:
    """Make `text` the title of the terminal's window, now and then."""
    if isinstance(app._driver, Driver):
        app._driver.title.say(text)


def call_attention(app: App[Any], text: str) -> None:
    """Ring the terminal's bell, and notify its desktop of `text`."""
    if isinstance(app._driver, Driver):
        app._driver.write(notification(text))


def finish(app: App[Any]) -> None:
    """Call this after `app.run()`: keeps the interpreter's last flush from failing on a lost or stuck terminal."""
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
