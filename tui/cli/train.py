"""`charrnn-tui train`: starts or resumes a run, on the screen, without a screen, or in the background."""

from __future__ import annotations

from argparse import Namespace

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
    if screen:
        require_terminal("add --headless to train without a screen, or --detach")
    session = open_session(options)
    if screen:
        return watch(session, options.fps, options.on_end)
    if first := first_remark(session):
        remark(first)
    if options.detach:
        return detach(session, options.on_end)
    if options.background:
        with ending(session, options.on_end, lambda sentence: None):  # the run's log has it
            return serve(session)
    with ending(session, options.on_end, complain):
        return train_headless(session)


def watch(session: Session, fps: float, on_end: str = "", *, lesson_at: int = 0) -> int:
    """Train `session` in a thread of this process, and show the dashboard on it; returns the exit code.

    `on_end` is a command for the end of each run that the dashboard shows. The first lesson begins at the step
    `lesson_at`, counted from 1; 0: no lesson.
    """
    from tui.terminal.driver import hold_signals

    hold_signals()  # from now on a signal must not end the process before the run is saved
    from tui.app.app import CharrnnApp

    command = EndCommand(on_end, lambda sentence: current.say(sentence)) if on_end else None
    current = Foreground(command)
    link = current.begin(session)
    app = CharrnnApp(link, current.begin_new, detach=current.hand_over, resume=current.take_up, fps=fps)
    app.lesson_at = lesson_at
    current.say = app.say
    try:
        return show_until_left(app, current)
    finally:
        wait_for(command)
