"""Pictures of a run's screen, which stand in the run's directory with the rest of it."""

from __future__ import annotations

import itertools
from pathlib import Path

from engine.runs.directory import private_directory
from engine.runs.files import writing_into

PREFIX, SUFFIX = "picture-", ".svg"


def is_picture(name: str) -> bool:
    """Whether a file of this name is one that `add_picture` wrote."""
    return name.startswith(PREFIX) and name.endswith(SUFFIX)


def add_picture(path: Path, name: str, data: bytes) -> Path:
    """Write `data` as a new picture called `name` into the run's directory `path`; its path, with a number if taken.

    Raises `UserError` if the directory is another user's, or others may write into it, or the system refuses.
    """
    with writing_into(path), private_directory(path) as directory:
        for number in itertools.count(1):
            file = f"{PREFIX}{name}{f'-{number}' if number > 1 else ''}{SUFFIX}"
            if not directory.has(file):
                directory.write(file, data, durable=False)
                return path / file
    raise AssertionError("numbers do not end")
