"""What the screen remembers from one start to the next: the theme, and which panes are seen.

It stands in a small file of this user's. Whatever is wrong with that file costs one notice, and nothing else.
"""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.runs.files import make_directory, read_file, write_atomically
from engine.typed_json import MalformedError, parse, read

MOST_BYTES = 1 << 14
LONGEST = 100  # characters of a name in it
MOST_NAMES = 20


@dataclass(frozen=True, slots=True)
class Remembered:
    """A theme and panes by their names; empty for the usual ones."""

    theme: str = ""
    panes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.panes) > MOST_NAMES or any(len(name) > LONGEST for name in (self.theme, *self.panes)):
            raise MalformedError("a name is too long, or there are too many")


def place() -> Path | None:
    """`$XDG_CONFIG_HOME/charrnn-tui/screen.json`, or else below `~/.config`; None if the user has no home directory."""
    root = os.environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(root):
        root = os.path.expanduser("~/.config")
    return Path(root, "charrnn-tui", "screen.json") if os.path.isabs(root) else None


def recall(path: Path) -> tuple[Remembered, str]:
    """What the file `path` says, and in a sentence what is wrong with it; empty if nothing is."""
    try:
        return read(Remembered, parse(read_file(path, MOST_BYTES))), ""
    except FileNotFoundError:
        return Remembered(), ""
    except OSError as error:
        return Remembered(), f"{path}: cannot be read ({error.strerror}); the screen is as it is at first"
    except (MalformedError, ValueError) as error:
        return Remembered(), f"{path}: {error}; the screen is as it is at first. Remove the file"


def remember(path: Path, **changes: Any) -> str:
    """Change fields in the file `path`; in a sentence why that cannot be, empty if it can."""
    try:
        for parent in reversed(path.parents):
            if not parent.is_dir():
                make_directory(parent)
        found = dataclasses.asdict(dataclasses.replace(recall(path)[0], **changes))
        write_atomically(path, json.dumps(found).encode(), durable=False)
    except OSError as error:
        return f"{path}: cannot be written ({error.strerror}); the next start will not know of this"
    return ""
