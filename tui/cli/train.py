"""`charrnn-tui train`: from the options to a run, on the screen, without one, or in the background."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.config import PRESETS, Config, from_mapping, from_toml
from engine.errors import UserError
from tui.cli.parser import MEANINGS

CORES = ("threads", "workers")

if TYPE_CHECKING:
    from engine.session.session import Session
    from tui.screens.dashboard import Dashboard


def run(options: Namespace) -> int:
    """Train as the options say."""
    if options.preset == "vanishing":
        from tui.cli.vanishing import compare

        return compare(options)
    screen = not (options.headless or options.detach or options.background)
    if screen:
        require_terminal()
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


def settings(options: Namespace) -> Config:
    """Defaults, then the preset, then the file, then the options; `UserError` names every bad one."""
    config = Config()
    if options.preset and options.preset != "vanishing":
        if options.preset not in PRESETS:
            raise UserError(f"--preset {options.preset}: there is none; known are {', '.join([*PRESETS, 'vanishing'])}")
        config = from_mapping(PRESETS[options.preset])
    if options.config:
        config = from_toml(Path(options.config), config)
    values: dict[str, Any] = {name: value for name in MEANINGS if (value := getattr(options, name)) is not None}
    if options.text:
        values["text"] = tuple(options.text)
    if options.steps is not None:
        values["steps"] = options.steps
    return from_mapping(values, config)


def open_session(options: Namespace) -> Session:
    """A new session, or one that goes on."""
    from tui.cli.output import reading

    if not options.resume:
        from engine.session.start import new_session

        config = settings(options)
        with reading() as progress:
            return new_session(config, Path(options.run) if options.run else None, progress=progress)
    from engine.runs.listing import find_run
    from engine.session.start import resumed_session

    refuse_settings(options)
    steps = None if options.steps is None else from_mapping({"steps": options.steps}).steps
    with reading() as progress:
        path, cores = find_run(options.resume), cores_of(options)
        return resumed_session(path, steps, cores=cores, progress=progress, detached=options.background)


def said_first(session: Session) -> str:
    """What a user should know as the run begins: files that were left out, or a crash before; mostly nothing."""
    run, step = session.course.recorder.run, session.course.trainer.steps
    if not run.crashed:
        return "" if step else run.record.left_out_notice
    return f"{run.path.name} had ended without a word; it goes on from its checkpoint at step {step:,}"


def cores_of(options: Namespace) -> dict[str, int]:
    """What the options say of the use of the cores; `UserError` where that is no good."""
    given = {name: value for name in CORES if (value := getattr(options, name)) is not None}
    config = from_mapping(given)
    return {name: getattr(config, name) for name in given}


def refuse_settings(options: Namespace) -> None:
    """A resumed run keeps its settings; only its end may change, and the cores, which another machine may have."""
    given = [name for name in (*MEANINGS, "text", "preset", "config", "run") if getattr(options, name)]
    if other := [name for name in given if name not in CORES]:
        raise UserError(
            f"--resume: keeps the run's own settings; leave out {', '.join(other)} (--steps, --threads and --workers "
            "may change)"
        )


def require_terminal(otherwise: str = "add --headless to train without a screen, or --detach") -> None:
    """Without one, a sentence says how to go on `otherwise`."""
    if os.environ.get("TERM", "") in ("", "dumb") or not (sys.stdout.isatty() and sys.__stderr__.isatty()):  # type: ignore[union-attr]
        raise UserError(f"there is no terminal to draw on; {otherwise}")


def watch(session: Session, fps: float) -> int:
    """The dashboard on a session in a thread of this process."""
    from tui.terminal.driver import hold_signals

    hold_signals()  # from now on there is a run to be saved
    from tui.app.app import CharrnnApp
    from tui.app.foreground import Foreground
    from tui.cli.output import print_farewell

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
