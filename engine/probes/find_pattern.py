"""A program of its own: where a regular expression matches a text. `engine.probes.pattern` runs it.

Python's regular expressions cannot be interrupted, and some take longer than the universe is old. So they run in a
process of their own, with little time and memory. It reads {"pattern": …, "text": …} from standard input, and writes
{"spans": [[start, end], …]} or {"error": …}. It imports nothing of this project, to start in a few milliseconds.
"""

import contextlib
import json
import os
import re
import resource
import sys

SECONDS, BYTES = 1, 1 << 29  # of computing, and of memory: more, and the system ends the process


def main() -> None:
    """Answer one question."""
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError, OSError):  # not every system has it
        resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    question = json.load(sys.stdin)
    try:
        found = re.compile(question["pattern"], re.MULTILINE)
        answer: dict[str, object] = {"spans": [match.span() for match in found.finditer(question["text"])]}
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        answer = {"error": str(error) or "it is too large"}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
