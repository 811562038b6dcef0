"""Reads the settings of a run from the options of `train` and `compare`, and opens a session on the run."""

from __future__ import annotations

import contextlib
import os
from argparse import Namespace
from pathlib import Path
from typing import Any

from engine.config import PRESETS, Config, from_mapping, from_toml, read_toml
from engine.errors import ConfigError, UserError
from engine.runs.listing import find_run
from engine.runs.origin import Origin, origin_of
from engine.runs.reader import RunReader
from engine.runs.writer import METRICS
from engine.session.session import Session
from engine.session.start import new_session, resumed_session
from engine.setting import settings_of
from engine.sweep.grid import Grid, read_grid
from tui.cli.output import complain, progress_bar
from tui.cli.parser import option

LONG_LOG = 1 << 27  # bytes, which take a second to read


def config_of(options: Namespace, defaults: Config | None = None) -> Config:
    """The settings: the defaults, overridden by the preset, then by the file, then by the options.

    Raises a `UserError` that names every bad setting.
    """
    config = defaults or Config()
    if options.preset:
        config = from_mapping(_preset(options.preset), config)
    if options.config:
        config = from_toml(Path(options.config), config)
    return from_mapping(_given(options, config), config)


def grid_of(options: Namespace, defaults: Config) -> Grid:
    """The grid of a sweep: a setting may have several values, in the file an array. Raises `UserError`."""
    values = _preset(options.preset) if options.preset else {}
    if options.config:
        path = Path(options.config)
        try:
            read_grid({**values, **(in_file := read_toml(path))}, defaults)
        except ConfigError as error:
            raise UserError(f"{path}: {error}") from None
        values = {**values, **in_file}
    return read_grid({**values, **_given(options, defaults)}, defaults)


def _preset(name: str) -> dict[str, Any]:
    if name == "vanishing":
        raise UserError("--preset vanishing: is a command now; use `charrnn-tui compare`")
    if name not in PRESETS:
        raise UserError(f"--preset {name}: there is no such preset; choose one of {', '.join(PRESETS)}")
    return PRESETS[name]


def _given(options: Namespace, config: Config) -> dict[str, Any]:
    """The settings that the options give, as they were typed."""
    values = {name: getattr(options, name, None) for name in settings_of(type(config))}
    return {name: value for name, value in values.items() if value not in (None, [])}


def config_from(origin: Origin, options: Namespace) -> Config:
    """The settings of a run that begins with the weights of another: that one's, without its end, on a new text."""
    if not options.text and not options.config:
        raise UserError("--from: needs a TEXT to go on with, as in `charrnn-tui train TEXT --from RUN`")
    machine = {name: getattr(Config(), name) for name in ("text", "encoding", "steps", "threads", "workers")}
    return origin.config.replace(**machine)


def open_session(options: Namespace) -> Session:
    """A session on a new run, or on the run that `--resume` names."""
    with progress_bar() as progress:
        if not options.resume:
            origin = origin_of(RunReader(find_run(options.from_run)), options.weights) if options.from_run else None
            config = config_of(options, config_from(origin, options) if origin is not None else None)
            if origin is not None:
                origin.require_network(config)
            elif options.weights != "latest":
                raise UserError("--weights: says which weights of a run to begin with; name the run with --from")
            run = Path(options.run) if options.run else None
            return new_session(config, run, progress=progress, say=complain, origin=origin)
        cores = changes_of(options)
        path = find_run(options.resume)
        say_if_long(path)
        return resumed_session(
            path,
            cores.pop("steps", None),
            patience=cores.pop("patience", None),
            moments=cores.pop("moments", None),
            text=cores.pop("text", ()),
            encoding=cores.pop("encoding", None),
            cores=cores,
            progress=progress,
            detached=options.background,
            as_it_was=options.as_it_was,
            say=complain,
        )


def say_if_long(path: Path) -> None:
    """Say that the log of the run in `path` takes seconds to read, if it does: nothing else is seen meanwhile."""
    with contextlib.suppress(OSError):
        if (size := os.lstat(path / METRICS).st_size) >= LONG_LOG:
            complain(f"{path.name}: its log has {size / 1e6:,.0f} MB; to read it takes some seconds")


def changes_of(options: Namespace) -> dict[str, Any]:
    """The settings to change when a run is resumed. Raises `UserError` if one of them may not change.

    A text that is given, with its encoding, says where the run's text lies now.
    """
    known, given = settings_of(Config), _given(options, Config())
    moved = ("text", "encoding") if "text" in given else ()
    kept = [option(known[name]) for name in given if not known[name].may_change and name not in moved]
    kept += [f"--{name}" for name in ("preset", "config", "run") if getattr(options, name)]
    kept += ["--from"] if options.from_run else []
    if kept:
        free = ", ".join(option(setting) for setting in known.values() if setting.may_change)
        raise UserError(f"--resume: keeps the run's own settings; leave out {', '.join(kept)} (only {free} may change)")
    config = from_mapping(given)
    return {name: getattr(config, name) for name in given}
