"""A regular expression as a feature of a text: 1 inside its matches, 0 elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.arrays import Integers, frozen
from engine.probes import find_pattern

LONGEST = 200  # characters of a pattern
PATIENCE = 5.0  # seconds on a machine that is busy; on another one the limit of computing time ends it before


@dataclass(frozen=True, eq=False)
class Matches:
    """`inside` (N,) is 1 for each character of the text that belongs to a match; or `error` says what is wrong."""

    inside: Integers
    error: str = ""


def find(pattern: str, text: str) -> Matches:
    """Where `pattern` matches in `text`; `^` and `$` match at each line. A second's work at most, in another process.

    The syntax is that of Python's `re`. An empty match marks no character.
    """
    inside = np.zeros(len(text), np.intp)
    if len(pattern) > LONGEST:
        return Matches(inside, f"it has {len(pattern)} characters; {LONGEST} are read at most")
    command = [sys.executable, "-I", "-S", str(Path(find_pattern.__file__))]
    question = json.dumps({"pattern": pattern, "text": text}).encode()
    try:
        done = subprocess.run(
            command, input=question, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return Matches(inside, "it takes too long, and was given up")
    except OSError as error:
        return Matches(inside, f"no process can be started for it ({error.strerror or error}); try again in a while")
    if done.returncode:
        return Matches(inside, "it takes too long, and was given up")
    answer = json.loads(done.stdout)
    for start, end in answer.get("spans", ()):
        inside[start:end] = 1
    return Matches(frozen(inside), answer.get("error", ""))
