"""`charrnn-tui lesson`: the first lesson, over the dashboard of a small network that trains for it."""

from __future__ import annotations

from argparse import Namespace

from engine.session.start import new_session
from tui.cli.output import complain, progress_bar, require_terminal
from tui.cli.train import watch


def run(options: Namespace) -> int:
    """Give the lesson from step `options.step` on; returns the exit code."""
    require_terminal("the lesson is about what is on the screen")
    from tui.screens.first_lesson import settings

    with progress_bar() as progress:
        session = new_session(settings(), progress=progress, say=complain)
    return watch(session, options.fps, theme=options.theme, lesson_at=options.step)
