"""What a run's viewers typed last, as `prompts.json` keeps it: the next viewer begins with it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from engine.errors import UserError
from engine.runs.directory import RunDirectory, private_directory
from engine.runs.files import read_file
from engine.typed_json import MalformedError, parse, read

PROMPTS = "prompts.json"
LARGEST = 1 << 14  # bytes; two prompts of 500 characters have at most 12,000 as JSON


@dataclass(frozen=True, slots=True)
class Prompts:
    """The content of `prompts.json`."""

    typed: str = ""  # the prompt that connectivity and cells answer; empty: held-out text stands in for it
    sample: str | None = None  # what samples begin with; None: as the checkpoint says


def read_prompts(directory: Path) -> Prompts:
    """The prompts of the run in `directory`; the usual ones if it keeps none, or none that can be read."""
    with contextlib.suppress(OSError, MalformedError):
        return read(Prompts, parse(read_file(directory / PROMPTS, LARGEST)))
    return Prompts()


def write_prompts(directory: RunDirectory, prompts: Prompts) -> None:
    """Keep `prompts` in a run's directory. Raises `OSError`."""
    directory.write(PROMPTS, json.dumps(dataclasses.asdict(prompts)).encode() + b"\n", durable=False)


def keep_prompts(path: Path, prompts: Prompts) -> None:
    """Keep `prompts` in the run's directory `path`, which no process has; if it must not be written, do nothing."""
    with contextlib.suppress(OSError, UserError), private_directory(path) as directory:
        write_prompts(directory, prompts)
