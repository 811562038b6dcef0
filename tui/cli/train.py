"""`charrnn-tui train`: starts or resumes a run, on the screen, without a screen, or in the background."""

from __future__ import annotations

from argparse import Namespace

from engine.session.session import Session
from tui.app.foreground import Foreground, first_remark
from tui.cli.headless import detach, serve, train_headless
from tui.cli.options import open_session
from tui.cli.output import remark, require_terminal, show_until_left


def run(options: Namespace) -> int:
    """Train as the options say. Returns the exit code."""
    screen = not (options.headless or options.detach or options.background)
    if screen:
        require_terminal("add --headless to train without a screen, or --detach")
    session = open_session(options)
    if screen:
        return watch(session, options.fps)
    if first := first_remark(session):
        remark(first)
    if options.detach:
        return detach(session)
    return serve(session) if options.background else train_headless(session)


def watch(session: Session, fps: float) -> int:
    """Train `session` in a thread of this process, and show the dashboard on it; returns the exit code."""
    from tui.terminal.driver import hold_signals

    hold_signals()  # from now on a signal must not end the process before the run is saved
    from tui.app.app import CharrnnApp

    current = Foreground()
    link = current.begin(session)
    app = CharrnnApp(
        link,
        current.begin_new,
        detach=current.hand_over,
        resume=current.take_up,
        fps=fps,
        ready=None if session.steps else lambda dashboard: app.show_card(),
    )
    current.say = app.say
    return show_until_left(app, current)
