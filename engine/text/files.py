"""Texts that lie in files: one file, or all files below a directory."""

from __future__ import annotations

import errno
import itertools
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import UserError
from engine.text import source
from engine.text.own_output import is_own, is_own_directory, standard_output
from engine.text.source import Source

MOST_ENTRIES = 100_000  # files and directories below all that is named; with more it is not the text that was meant

KINDS = {
    stat.S_IFDIR: "a link to a directory",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def file_source(path: Path | str, encoding: str, status: os.stat_result) -> Source:
    """The source of a regular file with this `status`. Bytes that are added to the file later are not read."""
    path, size = str(path), status.st_size
    times = f"{status.st_mtime_ns} {status.st_ctime_ns}"  # the second one cannot be set back
    stamp = f"{os.path.basename(path)} {size} {times} {status.st_ino}"

    def chunks() -> Iterator[bytes]:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe there now must not hold us up
        with open(descriptor, "rb") as file:
            rest = size
            while rest and (chunk := file.read(min(source.CHUNK, rest))):
                rest -= len(chunk)
                yield chunk

    return Source(path, size, encoding, chunks, stamp)


@dataclass
class Entries:
    """How many more files and directories may be looked at, for all texts of a run together."""

    left: int = field(default_factory=lambda: MOST_ENTRIES)
    _own: dict[str, bool] = field(default_factory=dict)  # directories, and whether they are within what is own

    def take(self, count: int, root: Path | str) -> None:
        """Count `count` entries below `root`. Raises `UserError` if there are too many by now."""
        self.left -= count
        if self.left < 0:
            raise UserError(f"{root}: has more than {MOST_ENTRIES:,} files below it; name a smaller directory")

    def is_within_own(self, directory: str) -> bool:
        """Whether this program writes `directory`, or one above it. It looks at each only once."""
        above = [directory, *map(str, Path(directory).parents)] if directory not in self._own else []
        for place in reversed(above):
            if place not in self._own:
                self._own[place] = self._own.get(os.path.dirname(place), False) or is_own(Path(place))
        return self._own[directory]


@dataclass
class Found:
    """What lies below a directory."""

    files: list[tuple[Path, os.stat_result]] = field(default_factory=list)  # sorted by path
    left_out: list[str] = field(default_factory=list)  # what is no file that can be read, each with the reason
    has_own_output: bool = False  # whether a file that this process writes to was passed over


def walk(root: Path, entries: Entries, skipped: Collection[str] = ()) -> Found:
    """All regular files below `root` that are not empty, also those that links to files lead to.

    Hidden files and directories, directories named in `skipped`, and what this program writes (runs, encoded texts,
    the files of standard output and standard error) are passed over. Links to directories are not followed: they could
    lead round in a circle. Raises `UserError` if there are more files and directories than `entries` has left.
    """
    found, files = Found(), list[tuple[str, os.stat_result]]()
    look_at = _Look(found, files, standard_output(), entries)
    waiting = [str(root)]
    while waiting:
        directory = waiting.pop()
        try:
            with os.scandir(directory) as scanned:
                inside = list(itertools.islice(scanned, entries.left + 1))
        except OSError as error:
            found.left_out.append(f"{Path(directory)} (cannot be listed: {error.strerror})")
            continue
        entries.take(len(inside), root)
        if is_own_directory(directory, {entry.name for entry in inside}):
            continue
        for entry in inside:
            if entry.name.startswith("."):
                continue
            if not entry.is_dir(follow_symlinks=False):
                look_at(entry)
            elif entry.name not in skipped:
                waiting.append(entry.path)
    found.files = sorted(((Path(path), status) for path, status in files), key=lambda file: file[0])
    return found


@dataclass(frozen=True)
class _Look:
    """Adds an entry of a directory, which is no directory itself, to what was found."""

    found: Found
    files: list[tuple[str, os.stat_result]]
    written: Collection[tuple[int, int]]  # files that this process writes to
    entries: Entries

    def __call__(self, entry: os.DirEntry[str]) -> None:
        is_link = entry.is_symlink()
        try:
            status = entry.stat()
        except OSError as error:
            broken = is_link and error.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR)
            reason = "a link to nothing" if broken else f"cannot be read: {error.strerror}"
            self.found.left_out.append(f"{Path(entry.path)} ({reason})")
            return
        kind = stat.S_IFMT(status.st_mode)
        if is_link and self._leads_to_own(entry.path, kind == stat.S_IFDIR):
            return
        if kind != stat.S_IFREG:
            self.found.left_out.append(f"{Path(entry.path)} ({KINDS.get(kind, 'no file')})")
        elif (status.st_dev, status.st_ino) in self.written:
            self.found.has_own_output = True
        elif status.st_size:
            self.files.append((entry.path, status))

    def _leads_to_own(self, link: str, is_directory: bool) -> bool:
        """Whether a link, to a directory or not, leads to what this program writes: to a run, or into one."""
        try:
            target = os.path.realpath(link)
        except OSError:  # a link that may not be read
            return False
        return self.entries.is_within_own(target if is_directory else os.path.dirname(target))
