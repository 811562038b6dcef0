"""The benchmark's command line: what `charrnn-tui bench` and `python -m engine.bench` do."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from engine.bench.contenders import RIVALS
from engine.bench.report import report
from engine.bench.runner import ROUNDS, SECONDS, WHAT, run
from engine.bench.workload import SIZES
from engine.errors import UserError
from engine.network.cells import cell_names

ALL = "all"


def execute(
    *,
    against: str = ",".join(RIVALS),
    cells: str = ",".join(cell_names()),
    sizes: str | None = None,
    what: str = WHAT[0],
    threads: int | None = None,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
    json_file: str | None = None,
) -> None:
    """Measure, saying on standard error where it is; print the tables, and write the numbers to `json_file`.

    Names are separated by commas, as on the command line; `what` may be `all`. Raises `UserError`.
    """
    if json_file is not None and not Path(json_file).absolute().parent.is_dir():
        raise UserError(f"--json: there is no directory {Path(json_file).parent}; make it first")
    for name, value in (("threads", threads), ("rounds", rounds)):
        if value is not None and value < 1:
            raise UserError(f"--{name}: {value} is too small; at least 1")
    results = run(
        _names(against),
        _names(cells),
        _names(sizes) if sizes else SIZES,
        WHAT if what == ALL else _names(what),
        threads=threads,
        rounds=rounds,
        seconds=seconds,
        progress=lambda text: print(text, file=sys.stderr, flush=True),
    )
    if json_file is not None:
        Path(json_file).write_text(json.dumps(results.to_json(), indent=1) + "\n", "utf-8")
    print(report(results), end="")


def main(arguments: list[str] | None = None) -> int:
    """`python -m engine.bench`; exit code 2 for what the user can mend."""
    parser = argparse.ArgumentParser(prog="python -m engine.bench", description="How fast this project is.")
    parser.add_argument("--against", default=",".join(RIVALS), help="rivals (%(default)s)")
    parser.add_argument("--cells", default=",".join(cell_names()), help="cells (%(default)s)")
    parser.add_argument("--sizes", default=",".join(SIZES), help="LAYERSxHIDDENxBATCH[xT], … (%(default)s)")
    parser.add_argument("--what", default=WHAT[0], help=f"{ALL}, or some of {', '.join(WHAT)} (%(default)s)")
    parser.add_argument("--threads", type=int, help="for every contender (all cores)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each has its turn (%(default)s)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of one turn (%(default)s)")
    parser.add_argument("--json", dest="json_file", metavar="FILE", help="write the numbers to a file")
    try:
        execute(**vars(parser.parse_args(arguments)))
    except UserError as error:
        print(f"charrnn-tui bench: {error}", file=sys.stderr)
        return 2
    return 0


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
