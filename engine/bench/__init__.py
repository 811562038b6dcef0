"""A benchmark that can be believed: this project against others, each in its own process, in turn.

`run` measures and returns `Results`; `report` writes them as plain text; `command` is the command line.
"""

from engine.bench.report import report
from engine.bench.results import Results
from engine.bench.runner import run

__all__ = ["Results", "report", "run"]
