"""`charrnn-tui train`: start or resume a run, on the screen, without one, or in the background."""

from __future__ import annotations

import sys
from argparse import Namespace

from engine.session.session import Session
from tui.app.foreground import Foreground, first_remark
from tui.cli.headless import detach, serve, train_headless
from tui.cli.options import open_session
from tui.cli.output import require_terminal, show_until_left


def run(options: Namespace) -> int:
    """Train as the options say."""
    screen = not (options.headless or options.detach or options.background)
    if screen:
        require_terminal("add --headless to train without a screen, or --detach")
    session = open_session(options)
    if screen:
        return watch(session, options.fps)
    if remark := first_remark(session):
        print(remark, file=sys.stderr)
    if options.detach:
        return detach(session)
    return serve(session) if options.background else train_headless(session)


def watch(session: Session, fps: float) -> int:
    """Show the dashboard over a session in a thread of this process; returns the exit code."""
    from tui.terminal.driver import hold_signals

    hold_signals()  # from now on there is a run to be saved
    from tui.app.app import CharrnnApp

    current = Foreground()
    link = current.begin(session)
    app = CharrnnApp(link, current.begin_new, detach=current.hand_over, resume=current.take_up, fps=fps)
    return show_until_left(app, current)
