"""A contender's own process: `python -m engine.bench.worker CONTENDER --cell … --hidden …`.

It prepares one workload, says what it found in a line of JSON, then answers each line it reads:
`task SECONDS` with the median milliseconds of its task, `floor SECONDS` with those of the bare products.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys

from engine.bench.contenders import CONTENDERS
from engine.bench.floor import floor_ms
from engine.bench.machine import blas_threads, describe
from engine.bench.timing import WARM_UP, timed
from engine.bench.workload import Workload


def main(arguments: list[str] | None = None) -> None:
    """Serve one workload until standard input ends."""
    options = _parser().parse_args(arguments)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is not an answer
    if hasattr(os, "sched_setaffinity"):  # the one limit that every library respects, XLA's thread pool too
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    contender = CONTENDERS[options.contender]
    workload = Workload(options.cell, options.layers, options.hidden, options.batch, options.seq)
    call = contender.task(options.task)(workload, options.threads)
    checks = [call() for _ in range(WARM_UP)]
    found = {
        "checks": checks,
        "versions": contender.versions(),
        "machine": describe(),
        "blas_threads": blas_threads(),
    }
    print(json.dumps(found), file=answers)
    for line in sys.stdin:
        what, seconds = line.split()
        if what == "floor":
            milliseconds = floor_ms(workload, options.threads, float(seconds))
        else:
            milliseconds = statistics.median(timed(call, float(seconds)))
        print(json.dumps(milliseconds), file=answers)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine.bench.worker", description=__doc__)
    parser.add_argument("contender", choices=CONTENDERS)
    parser.add_argument("--task", default="training")
    parser.add_argument("--cell", default="gru")
    for name, default in (("layers", 1), ("hidden", 128), ("batch", 32), ("seq", 50), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser


if __name__ == "__main__":
    main()
