"""The benchmark's command line: `charrnn-tui bench`, or `python -m engine.bench`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from engine.bench.contenders import RIVALS
from engine.bench.report import report
from engine.bench.runner import ROUNDS, SECONDS, WHAT, run
from engine.bench.workload import SIZES
from engine.config import CHOICES
from engine.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options, each a list with commas where it takes several."""
    parser.add_argument("--against", type=_names, default=list(RIVALS), metavar="NAMES", help="rivals: %(default)s")
    parser.add_argument("--cells", type=_names, default=list(CHOICES["cell"]), metavar="CELLS", help="%(default)s")
    parser.add_argument(
        "--sizes", type=_names, default=list(SIZES), metavar="SIZES", help="LAYERSxHIDDENxBATCH[xT]: %(default)s"
    )
    parser.add_argument("--what", type=_names, default=["training"], metavar="NAMES", help=f"of {', '.join(WHAT)}")
    parser.add_argument("--threads", type=int, default=0, help="for every contender; 0: one a core (default)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each has its turn (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of one turn (default %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE as well")


def execute(options: argparse.Namespace) -> None:
    """Run the benchmark, say on standard error where it is, and print the tables."""
    if options.json is not None and not options.json.parent.is_dir():
        raise UserError(f"--json: there is no directory {options.json.parent}; make it first")
    results = run(
        options.against,
        options.cells,
        options.sizes,
        options.what,
        threads=options.threads,
        rounds=max(1, options.rounds),
        seconds=options.seconds,
        progress=lambda text: print(text, file=sys.stderr, flush=True),
    )
    if options.json is not None:
        options.json.write_text(json.dumps(results.to_json(), indent=1) + "\n", "utf-8")
    print(report(results), end="")


def main(arguments: list[str] | None = None) -> int:
    """Run as a program; exit code 2 for what the user can mend."""
    parser = argparse.ArgumentParser(prog="python -m engine.bench", description="How fast this project is.")
    add_arguments(parser)
    try:
        execute(parser.parse_args(arguments))
    except UserError as error:
        print(f"charrnn-tui bench: {error}", file=sys.stderr)
        return 2
    return 0


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
