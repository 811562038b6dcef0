"""Training without a screen: a progress bar on a terminal, a line for each report elsewhere."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from engine.errors import UserError
from engine.session.messages import Stop
from tui.cli.output import discard_output

if TYPE_CHECKING:
    from engine.session.messages import State
    from engine.session.session import Session


def train_headless(session: Session) -> int:
    """Train to the end or until a signal comes; the exit code."""
    from engine.remote.server import RunServer

    stop_on(session, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    run = session.course.recorder.run
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(UserError):  # without a socket no viewer can attach; it trains all the same
            stack.callback(RunServer(session, run.path).close)
        if sys.stderr.isatty():
            session.course.on_report = stack.enter_context(_bar(session))
        else:
            say(session, f"run {run.path}")
            session.course.on_report = lambda row: say(session, _line(row))
        session.course.on_report = _warning_of_the_disk(session, session.course.on_report)
        state = session.run()
    best = (
        ""
        if session.course.best_val_loss is None
        else f", best validation loss {session.course.best_val_loss:.4f} nats"
    )
    reason = f": {session.course.reason}" if session.course.reason else ""
    say(session, f"{run.path}: {state} at step {session.course.trainer.steps:,}{best}{reason}")
    if session.course.recorder.warning:
        print(f"charrnn-tui: {run.path}: the end of the run could not be saved", file=sys.stderr)
        return 1
    return exit_code(state)


def _warning_of_the_disk(session: Session, show: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """`show`, and before it a line on standard error whenever saving begins to fail or works again."""
    said = ""

    def show_after_warning(row: dict[str, Any]) -> None:
        nonlocal said
        if said != (warning := session.course.recorder.warning):
            said = warning
            print(f"charrnn-tui: {warning or 'saving works again; nothing is lost'}", file=sys.stderr, flush=True)
        show(row)

    return show_after_warning


def exit_code(state: State) -> int:
    """1 for a run that went wrong, 0 for any other end."""
    return 1 if state in ("diverged", "failed") else 0


def stop_on(session: Session, *signals: signal.Signals) -> None:
    """Save and end the run when one of `signals` comes. A signal that is ignored, as under `nohup`, stays so."""
    for number in signals:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: session.send(Stop(save=True)))


def say(session: Session, line: str) -> None:
    """Print a line. Once the reader of the output is gone, the run is saved and ends."""
    try:
        print(line, flush=True)
    except OSError:
        discard_output()
        session.send(Stop(save=True))


def _line(row: dict[str, Any]) -> str:
    val_loss = f"  val {row['val_loss']:.4f}" if "val_loss" in row else ""
    return (
        f"step {row['step']:>7}  loss {row['loss']:.4f}{val_loss}  lr {row['lr']:.3g}"
        f"  |g| {row['grad_norm']:.3g}  {row['chars_per_second'] / 1000:.0f}k chars/s"
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
    progress = Progress(*columns, console=Console(stderr=True), refresh_per_second=4)
    task = progress.add_task("", total=session.course.trainer.config.steps, completed=session.course.trainer.steps)

    def show(row: dict[str, Any]) -> None:
        val_loss = "" if session.course.val_loss is None else f" val {session.course.val_loss:.3f}"
        text = f"loss {row['loss']:.3f}{val_loss} {row['chars_per_second'] / 1000:.0f}k chars/s"
        progress.update(task, completed=row["step"], description=text)

    try:
        with contextlib.suppress(OSError):  # the terminal is gone
            progress.start()
        yield show
    finally:
        try:
            progress.stop()
        except OSError:
            discard_output()
