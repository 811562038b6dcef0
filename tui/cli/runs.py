"""`charrnn-tui runs`: shows the runs in a directory, on a screen, as a table or as JSON."""

from __future__ import annotations

import csv
import io
import sys
from argparse import Namespace
from pathlib import Path

from engine.errors import UserError
from engine.printable import printable
from engine.runs.listing import UNREADABLE, RunSummary
from engine.runs.table import COLUMNS, column_named, in_order, parse_filter, values_of
from engine.sweep.board import rows_of
from engine.sweep.listing import SweepsAndRuns
from engine.sweep.study import is_sweep, read_study
from tui.cli.output import require_terminal, say, say_json, write_file
from tui.rendering.numbers import age, nats
from tui.rendering.text import visible_text
from tui.terminal.environment import ask_for_all_colours

FORMULA = tuple("=+-@＝＋－＠")  # the beginnings of formulas, for some spreadsheets also in their wide forms


def run(options: Namespace) -> int:
    """List the runs in a directory. Returns the exit code."""
    directory = Path(options.directory)
    if options.directory != "runs" and not directory.is_dir():
        raise UserError(f"{directory}: is no directory; name one that holds runs")
    wanted = parse_filter(options.filter or "")
    if options.sort:
        column_named(options.sort.removeprefix("-"))
    if options.svg:
        _draw_sweep(directory, options.svg)
    elif options.json or options.csv or options.list or not sys.stdout.isatty():
        there = rows_of(read_study(directory)) if is_sweep(directory) else SweepsAndRuns(directory).look()
        found = [summary for summary in there if wanted.holds(summary)]
        found = in_order(found, options.sort) if options.sort else found
        if options.csv:
            write_csv(found, Path(options.csv))
        elif options.json:
            say_json([values_of(summary) for summary in found], indent=1)
        else:
            _print_table(found, directory, bool(options.filter))
    else:
        from tui.app.runs_app import browse
        from tui.app.sweep_app import watch_sweep

        require_terminal("add --list or --json")
        if is_sweep(directory):
            return watch_sweep(directory).code
        return browse(directory, expression=options.filter or "", by=options.sort or "")
    return 0


def _draw_sweep(directory: Path, file: str) -> None:
    """Write the screen of the sweep in `directory` as a picture."""
    ask_for_all_colours()  # before Textual, which reads the environment as it is imported
    from tui.app.sweep_app import picture
    from tui.app.themes import DARK
    from tui.rendering.film_svg import film_svg

    if not is_sweep(directory):
        raise UserError(f"{directory}: is no sweep, and --svg draws the screen of one; name the directory of a sweep")
    title = f"The sweep {visible_text(directory.resolve().name)}: its runs, their curves, gradients and reach"
    ink, ground = DARK.foreground or "#e0e0e0", DARK.background or "#101010"
    write_file(file, film_svg([picture(directory)], 0.0, title, ink, ground))


def write_csv(runs: list[RunSummary], path: Path) -> None:
    """Write a line for each run, with all columns of the table, in the form of spreadsheets."""
    lines = io.StringIO()
    writer = csv.DictWriter(lines, [*COLUMNS, "path", "pid", "reason"])
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in values_of(run).items()} for run in runs)
    write_file(str(path), lines.getvalue())


def _cell(value: object) -> object:
    """A value as a spreadsheet may read it: a text that could be taken for a formula gets an apostrophe before it."""
    if not isinstance(value, str):
        return value
    value = printable(value)
    return f"'{value}" if value.lstrip().startswith(FORMULA) else value


def _print_table(runs: list[RunSummary], directory: Path, is_filtered: bool) -> None:
    if not runs:
        say(f"no runs in {directory}{' are like that' if is_filtered else ''}")
        return
    say(f"{'run':<20} {'state':<9} {'step':>9} {'loss':>7} {'best':>7}  {'cell':<12} {'text':<20} {'age':>5}")
    for run in runs:
        if run.state in UNREADABLE:
            say(f"{visible_text(run.name):<20} {run.state:<9} {visible_text(run.reason)}")
            continue
        say(
            f"{visible_text(run.name):<20} {run.state:<9} {run.step:>9,} {nats(run.loss):>7} {nats(run.best):>7}  "
            f"{run.cell:<12} {visible_text(run.text)[:20]:<20} {age(run.age):>5}"
        )
