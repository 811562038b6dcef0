"""`charrnn-tui train`: from the options to a run, on the screen, without one, or in the background."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from tui.cli.options import open_session
from tui.cli.output import print_farewell, require_terminal

if TYPE_CHECKING:
    from engine.session.session import Session
    from tui.screens.dashboard import Dashboard


def run(options: Namespace) -> int:
    """Train as the options say."""
    screen = not (options.headless or options.detach or options.background)
    if screen:
        require_terminal("add --headless to train without a screen, or --detach")
    session = open_session(options)
    if screen:
        return watch(session, options.fps)
    if said := said_first(session):
        print(said, file=sys.stderr)
    if options.detach:
        from tui.cli.background import detach

        return detach(session)
    if options.background:
        from tui.cli.background import serve

        return serve(session)
    from tui.cli.headless import train_headless

    return train_headless(session)


def said_first(session: Session) -> str:
    """What a user should know as the run begins: files that were left out, or a crash before; mostly nothing."""
    run, step = session.course.recorder.run, session.course.trainer.steps
    if not run.crashed:
        return "" if step else run.record.left_out_notice
    return f"{run.path.name} had ended without a word; it goes on from its checkpoint at step {step:,}"


def watch(session: Session, fps: float) -> int:
    """The dashboard on a session in a thread of this process."""
    from tui.terminal.driver import hold_signals

    hold_signals()  # from now on there is a run to be saved
    from tui.app.app import CharrnnApp
    from tui.app.foreground import Foreground

    current, said = Foreground(), said_first(session)
    link = current.begin(session)

    def greet(dashboard: Dashboard) -> None:
        if said:
            dashboard.notify(said, severity="warning", timeout=10, markup=False)

    app = CharrnnApp(
        link,
        current.begin_new,
        detach=current.hand_over,
        resume=current.take_up,
        fps=fps,
        ready=greet,
    )
    try:
        code = app.run_until_left()
    finally:
        current.end()
    print_farewell(Path(app.viewer.link.info.directory))
    return code
