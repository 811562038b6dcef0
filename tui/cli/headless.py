"""Training without a screen: with a bar on a terminal, else with a line for each report, or in the background."""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

from engine.errors import UserError
from engine.remote.detach import log_into
from engine.remote.server import RunServer
from engine.session.messages import Event, State, Stop
from engine.session.session import Session
from tui.app.foreground import spawn
from tui.app.notifications import sentence
from tui.cli.output import call_attention, complain, discard_output, prints_into_file, say, wait_for_room
from tui.rendering.numbers import clock, nats, with_error
from tui.rendering.text import path_from_here
from tui.terminal.attention import Title
from tui.terminal.streams import PATIENCE, OutputError, escapes

LOG_SECONDS = 10.0  # between two lines in a file
DIVERGED: tuple[State, ...] = ("diverged",)


def train_headless(session: Session, lines: Lines | None = None, *, notifies: bool = False) -> int:
    """Train to the end, or until a signal comes, and print `lines` about it; returns the exit code.

    `notifies` calls the user at the end, and when the loss stops falling.
    """
    if notifies:
        session.on_event = partial(_call, session)
    stop_on(session, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    directory = session.directory
    lines = lines or Lines(session)
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(UserError):  # without a socket the run goes on, but no viewer can attach
            stack.callback(RunServer(session, directory).close)
        if sys.stderr.isatty():
            show = stack.enter_context(_bar(session))
        else:
            lines.say(f"run {directory}: {session.info.held_out_place}")
            show = partial(_show_line, lines)
            if prints_into_file():  # a log, read later
                show = _now_and_then(lines)
        state = session.run(on_report=_with_warnings(session, show))
    best = "" if session.best_val_loss is None else f", best validation loss {session.best_val_loss:.4f} nats"
    reason = f": {session.reason}" if session.reason else ""
    took = clock(session.loop.progress.seconds)
    lines.say(f"{path_from_here(session.directory)}: {state} at step {session.steps:,} after {took}{best}{reason}")
    if session.warning:
        cause = session.loop.recorder.cause
        complain(
            f"{session.directory}: the end of the run could not be saved ({cause}); make room, then resume the run"
        )
        return 1
    return exit_code(state)


def _call(session: Session, event: Event) -> None:
    if text := sentence(session.directory.name, event):
        call_attention(text)


def _with_warnings(session: Session, show: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """A function that calls `show`, and says on standard error what happens to the run's directory, and to its cores.

    That is: saving begins to fail or works again, the directory was renamed, or deleted and made again; and, once, that
    another program uses a core.
    """
    said = remarked = busy = ""

    def show_after_warning(row: dict[str, Any]) -> None:
        nonlocal said, remarked, busy
        if not busy and (busy := session.contention):
            complain(busy)
        if said != (warning := session.warning):
            said = warning
            complain(warning or "saving works again")
        show(row)
        if remarked != (remark := session.remark):
            remarked = remark
            complain(remark)

    return show_after_warning


def detach(session: Session, on_end: str = "") -> int:
    """Hand a new run over to a process in the background, and print its name; returns the exit code.

    `on_end` is a command that is run there at its end.
    """
    directory = session.directory
    session.close()
    try:
        spawn(directory, on_end=on_end, tensorboard=session.tensorboard)
    except UserError as error:
        raise UserError(f"{error}; the run is saved in {directory}") from None
    try:
        say(directory.name)
    except OutputError as error:
        complain(f"{directory.name} trains in the background, but its name cannot be printed ({error.strerror})")
    return 0


def serve(session: Session) -> int:
    """Train in a background process, and serve every viewer that attaches; returns the exit code.

    The run goes on after logout. After a divergence it waits until a viewer resumes it from good weights or stops it.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop_on(session, signal.SIGTERM, signal.SIGINT)
    directory = session.directory
    server = RunServer(session, directory)
    with contextlib.suppress(OSError):  # where there is no room for a log, the run goes on without
        log_into(directory)
    try:
        return exit_code(session.run(linger=DIVERGED))
    finally:
        server.close()


def exit_code(state: State) -> int:
    """1 for a run that diverged or failed, 0 for any other end."""
    return 1 if state in ("diverged", "failed") else 0


def stop_on(session: Session, *signals: signal.Signals) -> None:
    """Save and end the run when one of `signals` comes. An ignored signal, as under `nohup`, stays ignored."""
    for number in signals:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: session.send(Stop(save=True)))


class Lines:
    """Prints lines about a run on standard output. They are not worth the run: what cannot be printed is left out.

    If that happens, standard error and the run's log say so once. If the reader has gone, the run is saved and ends.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lost = False

    def say(self, line: str) -> None:
        """Print `line`, or leave it out if standard output takes nothing for `PATIENCE` seconds."""
        try:
            wait_for_room(0.0 if self._lost else PATIENCE)
            say(line)
        except OutputError as error:
            if error.reader_is_gone:
                discard_output()
                self._session.send(Stop(save=True))
            elif not self._lost:
                self._lost = True
                sentence = f"standard output cannot be written ({error.strerror}); training goes on without it"
                complain(sentence)
                self._session.loop.recorder.log(f"{sentence}\n")


def _now_and_then(
    lines: Lines, now: Callable[[], datetime] = datetime.now, seconds: Callable[[], float] = time.monotonic
) -> Callable[[dict[str, Any]], None]:
    """A function that prints a line with the time of day at each validation, and else every `LOG_SECONDS` at most."""
    said_at = -math.inf

    def show(row: dict[str, Any]) -> None:
        nonlocal said_at
        if "val_loss" in row or seconds() - said_at >= LOG_SECONDS:
            said_at = seconds()
            _show_line(lines, row, f"{now():%Y-%m-%d %H:%M:%S}  ")

    return show


def _show_line(lines: Lines, row: dict[str, Any], when: str = "") -> None:
    val_loss = ""
    if "val_loss" in row:
        val_loss = "  val " + with_error(f"{row['val_loss']:.4f}", row["val_loss_se"])
    clipped = f" ({row['clipped']:.0%} clipped)" if row.get("clipped") else ""
    lines.say(
        f"{when}step {row['step']:>7}  loss {row['loss']:.4f}{val_loss}  lr {row['lr']:.3g}"
        f"  |g| {row['grad_norm']:.3g}{clipped}  {row['chars_per_second'] / 1000:.0f}k chars/s",
    )


@contextlib.contextmanager
def _bar(session: Session) -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    terminal = escapes(sys.stderr)
    bar_console = Console(file=escapes(sys.stderr))

    def write(sequence: str) -> None:
        terminal.write(sequence)
        terminal.flush()

    title = Title(write)
    progress = Progress(*columns, console=bar_console, refresh_per_second=4, get_time=session.clock)
    task = progress.add_task("", total=session.record.config.steps, completed=session.steps)

    def show(row: dict[str, Any]) -> None:
        val_loss = "" if session.val_loss is None else f" val {session.val_loss:.3f}"
        text = f"loss {row['loss']:.3f}{val_loss} {row['chars_per_second'] / 1000:.0f}k chars/s"
        progress.update(task, completed=row["step"], description=text)
        with contextlib.suppress(OSError):  # the terminal is gone
            title.say(f"{session.directory.name} · loss {nats(session.loop.history.smoothed)}")

    try:
        with contextlib.suppress(OSError):  # the terminal is gone
            title.begin()
            progress.start()
        yield show
    finally:
        try:
            progress.stop()
            title.end()
        except OSError:
            discard_output()
