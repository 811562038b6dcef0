"""Recognises what this program writes, so that it never reads its own output as a text.

The text of a run may be the directory in which the run itself lies. If a run's files were part of that text, every
step would change it.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Set
from pathlib import Path

# Names in a run's directory. A run whose `config.json` is damaged is recognised by the names that others seldom have.
RUN_FILES = frozenset({
    "state.json", "metrics.jsonl", "samples.jsonl", "gradients.jsonl", "model.safetensors", "best.safetensors",
    "checkpoint.safetensors", "screen.log",
})  # fmt: skip
COMMON_NAMES = frozenset({
    "config.json", "text.txt", "standard-input.txt", "moments", "lock", "log.txt", "prompts.json",
})  # fmt: skip
ENOUGH = 3  # so many of `RUN_FILES` together are no accident
SETTINGS = (b'"format_version"', b'"hidden"', b'"seq"')  # stand in every run's `config.json`, near its beginning
OF_A_SWEEP = (b'"format_version"', b'"config"', b'"hidden"')  # stand near the beginning of every `sweep.json`
HEAD = 1 << 16  # bytes of a file that are looked at

CACHED = re.compile(r"[0-9a-f]{32}\w*\.(codes|part)|use-of-cores\.json(\.\d+)?")  # the files of the cache directory


def is_own_directory(directory: Path | str, names: Collection[str]) -> bool:
    """Whether `directory`, which has entries of these `names`, is that of a run, of a sweep, or of encoded texts."""
    shown = {name for name in names if not name.startswith(".")}
    if len(shown & RUN_FILES) >= ENOUGH or ("lock" in shown and shown <= RUN_FILES | COMMON_NAMES):
        return True  # the second: a run that is being made, which begins with its lock
    if shown and all(map(CACHED.fullmatch, shown)):
        return True
    if "sweep.json" in shown and _has(Path(directory, "sweep.json"), OF_A_SWEEP):
        return True
    return "config.json" in shown and _has(Path(directory, "config.json"), SETTINGS)


def is_own(directory: Path) -> bool:
    """Whether `directory` is that of a run, a sweep, or encoded texts; not if it cannot be listed."""
    try:
        return is_own_directory(directory, set(os.listdir(directory)))
    except OSError:
        return False


def standard_output() -> Set[tuple[int, int]]:
    """Device and inode of the files that standard output and standard error are written to."""
    files = set()
    for descriptor in (1, 2):
        try:
            status = os.fstat(descriptor)
        except OSError:  # it is closed
            continue
        if stat.S_ISREG(status.st_mode):
            files.add((status.st_dev, status.st_ino))
    return files


def _has(path: Path, words: tuple[bytes, ...]) -> bool:
    head = _head(path)
    return all(word in head for word in words)


def _head(path: Path) -> bytes:
    """The beginning of a regular file; empty if it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    with open(descriptor, "rb") as file:
        return file.read(HEAD) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
