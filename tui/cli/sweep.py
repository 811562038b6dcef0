"""`charrnn-tui sweep`: trains a network for every combination of settings."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.remote.detach import log_into, spawn_detached
from engine.runs.kept_text import load_text
from engine.runs.table import values_of
from engine.setting import settings_of
from engine.sweep.begin import OpenSweep, find_sweep, new_sweep, open_sweep
from engine.sweep.board import rows_of
from engine.sweep.cluster import ClusterExecutor, connected
from engine.sweep.conductor import Conductor
from engine.sweep.executor import Executor, LocalExecutor
from engine.sweep.grid import Grid, combinations, with_seeds
from engine.sweep.search import require_optuna
from engine.sweep.study import ENDED, MOST_HALVINGS, MOST_RUNS, Study, StudyRun
from engine.training.cores import usable_cores
from tui.app.foreground import program
from tui.app.sweep_app import watch_sweep
from tui.cli.options import grid_of
from tui.cli.output import complain, discard_output, progress_bar, remark, require_terminal, say, say_json, shell_word
from tui.cli.parser import COMPARED, option
from tui.cli.runs import write_csv
from tui.rendering.numbers import clock, nats
from tui.rendering.sweep_table import table
from tui.terminal.streams import OutputError

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
PROGRESS_SECONDS = 10.0  # between two lines that say how far the runs are


def run(options: Namespace) -> int:
    """Begin a sweep, or go on with one, and print how each run ended. Returns the exit code: 1 if one has failed."""
    _check(options)
    # Before anything is created the scheduler is asked; and left, however this ends.
    with connected(options.scheduler) if options.scheduler else contextlib.nullcontext() as client:
        return _begin(options, client)


def _begin(options: Namespace, client: Any) -> int:
    """Begin or go on, with the workers that the Dask `client` knows, or here if it is None. Returns the exit code."""
    remarks: list[str] = []  # about the text

    def say_first(sentence: str) -> None:
        complain(sentence)
        remarks.append(sentence)

    with progress_bar() as progress:
        if options.resume:
            sweep = open_sweep(find_sweep(options.resume), progress)
        else:
            grid = with_seeds(grid_of(options, COMPARED), options.seeds)
            _check_search(grid, options.trials)
            directory = Path(options.run) if options.run else None
            sweep = new_sweep(
                grid,
                () if options.trials else combinations(grid),
                directory,
                trials=options.trials,
                halvings=options.stop_worst,
                progress=progress,
                say=say_first,
            )
    if options.detach:
        return _detach(sweep, options)
    executor: Executor
    if client is None:
        executor = LocalExecutor(sweep.study, options.jobs or usable_cores())
    else:
        executor = ClusterExecutor(client, load_text(sweep.study.path, sweep.study))
    show = partial(_show, first="; ".join(remarks))
    on_screen = not (options.headless or options.background or options.json) and sys.stdout.isatty()
    try:
        return (show if on_screen else _conduct)(sweep, executor, options)
    finally:
        sweep.close()


def _check(options: Namespace) -> None:
    """Raise `UserError` for options that do not go together, before anything is read."""
    cores = usable_cores()
    if not 0 <= options.jobs <= cores:
        raise UserError(f"--jobs {options.jobs}: is not a number of runs at a time; at most {cores}, one a core")
    if options.seeds < 1:
        raise UserError(f"--seeds {options.seeds}: is too few; at least 1")
    if not 0 <= options.stop_worst <= MOST_HALVINGS:
        most = f"between 0 and {MOST_HALVINGS}"
        raise UserError(f"--stop-worst {options.stop_worst}: is not how often to halve the runs; {most}")
    if not 0 <= options.trials <= MOST_RUNS:
        raise UserError(f"--trials {options.trials}: is not a number of runs; at most {MOST_RUNS:,}")
    if options.trials and (options.stop_worst or options.seeds > 1):
        raise UserError("--trials: a search chooses its runs itself; leave out --seeds and --stop-worst")
    if options.detach and (options.csv or options.json):
        raise UserError("--csv, --json: are written at the end, which --detach does not wait for; leave them out")
    if not options.resume:
        return
    known = settings_of(type(COMPARED))
    given = [option(known[name]) for name in known if getattr(options, name, None) not in (None, [])]
    given += [f"--{name}" for name in ("preset", "config", "run") if getattr(options, name)]
    given += ["--seeds"] * (options.seeds > 1) + ["--stop-worst"] * bool(options.stop_worst)
    given += ["--trials"] * bool(options.trials)
    if given:
        raise UserError(f"--resume: keeps the sweep's own settings; leave out {', '.join(given)}")


def _check_search(grid: Grid, trials: int) -> None:
    """Raise `UserError` for ranges without a number of trials, and for trials without ranges or without Optuna."""
    if grid.ranges and not trials:
        names = ", ".join(option(settings_of(type(COMPARED))[name]) for name in grid.ranges)
        raise UserError(f"{names}: a range is searched; say with --trials N how many runs, or list the values")
    if trials and not grid.ranges:
        raise UserError(f"--trials {trials}: there is no range to search; give one, as --lr 1e-4..1e-2")
    if trials:
        require_optuna()


def _conduct(sweep: OpenSweep, executor: Executor, options: Namespace) -> int:
    if options.background:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with contextlib.suppress(OSError):  # where there is no room for a log, the sweep goes on without
            log_into(sweep.study.path)
    lines = _Lines(quiet=options.json)
    conductor = Conductor(sweep, executor, lines.watch)
    lines.stop = conductor.stop
    for number in SIGNALS:  # an ignored signal, as under `nohup`, stays ignored
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: conductor.stop())
    study = sweep.study
    total = study.trials or len(study.runs)
    left = total - sum(run.state in ENDED for run in study.runs)
    lines.say(f"sweep {study.path}: {total} runs, {left} to train, {executor.places} at a time")
    study = conductor.run()
    if conductor.warning:
        complain(conductor.warning)
    return _report(study, options, lines)


def _show(sweep: OpenSweep, executor: Executor, options: Namespace, first: str = "") -> int:
    """Conduct the sweep in a thread, with the screen over it, which begins with the words `first`. Returns the code."""
    require_terminal("add --headless or --detach")
    conductor = Conductor(sweep, executor)
    errors: list[BaseException] = []

    def conduct() -> None:
        try:
            conductor.run()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=conduct, name="sweep")
    thread.start()
    try:
        left = watch_sweep(sweep.study.path, thread.is_alive, lambda: bool(errors), first)
    finally:
        conductor.stop()
        if thread.is_alive():
            remark("the runs are saved …")
        thread.join()
    for error in errors:
        raise error
    if left.detaches:
        return _detach(sweep, options)
    if conductor.warning:
        complain(conductor.warning)
    return _report(sweep.study, options, _Lines(quiet=False)) or left.code


def _report(study: Study, options: Namespace, lines: _Lines) -> int:
    """Print the table, and write it where the options say. Returns the exit code."""
    rows = rows_of(study)
    if options.csv:
        write_csv(rows, Path(options.csv))
    if options.json:
        say_json([values_of(row) for row in rows], indent=1)
    else:
        for line in ("", *table(rows)):
            lines.say(line)
    if len(study.runs) < study.trials or any(run.state not in ENDED for run in study.runs):
        lines.say("")
        lines.say(f"to go on: charrnn-tui sweep --resume {shell_word(str(study.path))}")
    return 1 if any(run.state == "failed" for run in study.runs) else 0


def _detach(sweep: OpenSweep, options: Namespace) -> int:
    """Hand a sweep over to a process in the background, and print its name; returns the exit code."""
    path = sweep.study.path
    sweep.close()
    command = program("sweep", "--resume", str(path), "--background", "--headless", "--jobs", str(options.jobs))
    command += ["--scheduler", options.scheduler] if options.scheduler else []
    spawn_detached(command, path, answers=lambda path: True)
    if options.csv:  # the key `d` does not know of it
        complain(f"{options.csv}: is not written; later, `charrnn-tui runs {shell_word(str(path))} --csv FILE` does it")
    try:
        say(path.name)
    except OutputError as error:
        complain(f"{path} trains in the background, but its name cannot be printed ({error.strerror})")
    return 0


class _Lines:
    """What is printed while a sweep goes on: a line for each run that ends, and now and then how far the others are."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._said_at = time.monotonic()
        self.stop: Callable[[], None] = lambda: None

    def say(self, line: str) -> None:
        """Print `line`. The sweep is stopped, and saved, if nobody reads it any more."""
        if self._quiet:
            return
        try:
            say(line)
        except OutputError as error:
            self._quiet = True
            if error.reader_is_gone:
                discard_output()
                self.stop()
            else:
                complain(f"standard output cannot be written ({error.strerror}); the sweep goes on without it")

    def watch(self, study: Study, ended: StudyRun | None) -> None:
        """Say that a run has ended; if none has, how far those are that are trained."""
        now = time.monotonic()
        if ended:
            loss = "" if ended.val_loss is None else f", validation loss {nats(ended.val_loss)}"
            why = f": {ended.reason}" if ended.reason else ""
            self.say(f"{ended.name}: {ended.state} at step {ended.steps:,}{loss}, {clock(ended.seconds)}{why}")
        elif now - self._said_at >= PROGRESS_SECONDS:
            over = sum(run.state in ENDED for run in study.runs)
            now_training = ", ".join(
                f"{run.name} at step {run.steps:,}" for run in study.runs if run.state == "training"
            )
            self.say(f"{over} of {study.trials or len(study.runs)} have ended; {now_training or 'none is trained'}")
        else:
            return
        self._said_at = now
