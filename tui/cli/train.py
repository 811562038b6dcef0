"""`charrnn-tui train`: starts or resumes a run, on the screen, without a screen, or in the background."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from engine.errors import UserError, closed_on_failure
from engine.session.end_command import EndCommand
from engine.session.session import Session
from tui.app.foreground import Foreground, first_remark
from tui.cli.end_command import ending, wait_for
from tui.cli.headless import detach, serve, train_headless
from tui.cli.options import open_session
from tui.cli.output import complain, remark, require_terminal, show_until_left


def run(options: Namespace) -> int:
    """Train as the options say. Returns the exit code."""
    screen = not (options.headless or options.detach or options.background)
    if options.notify and options.detach:
        raise UserError("--notify: a run in the background has no terminal to notify; leave it out, or use --on-end")
    if screen:
        require_terminal("add --headless to train without a screen, or --detach")
    session = open_session(options)
    if options.tensorboard:
        with closed_on_failure(session.close):
            session.write_events(Path(options.tensorboard))
    if screen:
        return watch(session, options.fps, options.on_end, notifies=options.notify, theme=options.theme)
    if first := first_remark(session):
        remark(first)
    if options.detach:
        return detach(session, options.on_end)
    if options.background:
        with ending(session, options.on_end, lambda sentence: None):  # the run's log has it
            return serve(session)
    with ending(session, options.on_end, complain):
        return train_headless(session, notifies=options.notify)


def watch(
    session: Session, fps: float, on_end: str = "", *, notifies: bool = False, theme: str = "", lesson_at: int = 0
) -> int:
    """Train `session` in a thread of this process, and show the dashboard on it; returns the exit code.

    `on_end` is a command for the end of each run that the dashboard shows; `notifies` calls the user, too. The first
    lesson begins at the step `lesson_at`, counted from 1; 0: no lesson.
    """
    from tui.terminal.driver import hold_signals

    hold_signals()  # from now on a signal must not end the process before the run is saved
    from tui.app.app import CharrnnApp
    from tui.app.memory import place

    command = EndCommand(on_end, lambda sentence: current.say(sentence)) if on_end else None
    current = Foreground(command)
    link = current.begin(session)
    app = CharrnnApp(
        link,
        current.begin_new,
        detach=current.hand_over,
        resume=current.take_up,
        fps=fps,
        notifies=notifies,
        ready=None if session.steps else lambda dashboard: app.show_card(),
    )
    app.use_memory(place(), theme)
    app.lesson_at = lesson_at
    current.say = app.say
    try:
        return show_until_left(app, current)
    finally:
        wait_for(command)
