"""The logs of a run: JSON objects, one a line. A damaged line costs that line, never its neighbours."""

from __future__ import annotations

import errno
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from engine.errors import UserError
from engine.runs.directory import RunDirectory
from engine.runs.files import open_file, require_size, write_all
from engine.typed_json import MalformedError, parse

LONGEST = 1 << 23  # bytes of a line; the longest are gradients over thousands of time steps
LARGEST = 1 << 30  # bytes of a log
MOST_LINES = 4_000_000  # of a log that is written on; lines grow rarer with the steps, so that no run comes near
NEWEST_LINES = 400_000  # that are read of a longer log by one who only shows them: some seconds
BLANK = b" \t\r\n\0"
WRITTEN = re.compile(rb'\{"step": (\d{1,18})[,}]')  # the beginning of a line


class JsonLines:
    """Adds lines to the log `name` of a run. A line that could not be written waits in memory for the next try.

    The file is opened for each write: a file that stays open would accept lines even after it was deleted.
    """

    def __init__(self, directory: RunDirectory, name: str) -> None:
        self._directory, self._name = directory, name
        self._waiting: list[tuple[int, bytes]] = []
        self._try_again = 0  # the number of waiting lines from which on `append` tries to write again
        self._whole: int | None = None  # bytes before a write that failed, which may have left a part of its lines
        self._forget: int | None = None  # a step after which lines are still to be dropped

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a line. Its "step" must not be below that of the line before. Arrays become lists, NaN and infinity null.

        Raises `OSError` if the disk refuses. The line then waits in memory, and must not be added again.
        """
        self._waiting.append((int(row["step"]), json.dumps(_plain(row), allow_nan=False).encode() + b"\n"))
        if len(self._waiting) < self._try_again:
            raise OSError(errno.EAGAIN, "the disk still refuses")
        self.flush()

    def flush(self, *, durable: bool = False) -> None:
        """Write the lines that wait; with `durable` they survive a power cut. Raises `OSError` if the disk refuses."""
        if not (self._waiting or durable):
            return
        # Each try writes all lines that wait, so tries become rarer while the disk refuses; a save always tries.
        self._try_again = len(self._waiting) * 9 // 8
        self._tidy()
        descriptor = self._directory.open(self._name, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            self._whole = os.fstat(descriptor).st_size
            data = b"".join(line for _, line in self._waiting)
            if self._whole and os.pread(descriptor, 1, self._whole - 1) != b"\n":
                data = b"\n" + data  # half a line before it, or a whole one without an end, must not cost it
            write_all(descriptor, data)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._whole = None
        self._waiting.clear()
        self._try_again = 0

    def forget_after(self, step: int) -> None:
        """Drop the lines of steps after `step`, and half a line at the end.

        A damaged line stays or goes with the line before it. If the disk refuses, raises `OSError`; the lines are then
        dropped before anything else is written.
        """
        self._waiting = [(at, line) for at, line in self._waiting if at <= step]
        self._forget = step if self._forget is None else min(step, self._forget)
        self._tidy()

    def rows(self) -> Iterator[dict[str, Any]]:
        """The objects in the log, see `rows_in`."""
        return rows_in(self._name, dir_fd=self._directory.descriptor)

    def _tidy(self) -> None:
        """Remove what a failed write has left, then the lines that are to be forgotten."""
        if self._whole is not None:
            self._cut(self._whole)
            self._whole = None
        if self._forget is None:
            return
        size = end = 0  # bytes that are kept, and that were read
        is_beginning = True  # whether the kept lines are the beginning of the file
        for line, is_kept in self._judged(self._forget):
            if is_kept:
                is_beginning = is_beginning and size == end
                size += line.size
            end += line.size
        if not is_beginning:
            self._directory.write(self._name, (line.data for line, is_kept in self._judged(self._forget) if is_kept))
        elif size < end:
            self._cut(size)
        self._forget = None

    def _judged(self, step: int) -> Iterator[tuple[Line, bool]]:
        """Every line, and whether it stays when those of steps after `step` are dropped."""
        later = False  # whether the line, and a damaged one after it, is dropped
        for line in _lines(self._name, self._directory.descriptor):
            number = _step(line.data)
            if number is not None:
                later = number > step
            elif line.data and not line.data.endswith(b"\n"):
                later = True
            yield line, bool(line.data) and not later

    def _cut(self, size: int) -> None:
        try:
            descriptor = self._directory.open(self._name, os.O_WRONLY)
        except FileNotFoundError:
            return
        try:
            if os.fstat(descriptor).st_size > size:
                os.ftruncate(descriptor, size)
        finally:
            os.close(descriptor)


def read_rows(path: Path | str) -> list[dict[str, Any]]:
    """The objects in the log at `path`, see `rows_in`."""
    return list(rows_in(path))


def rows_in(path: Path | str, *, dir_fd: int | None = None, last: int | None = None) -> Iterator[dict[str, Any]]:
    """The objects in the log at `path` one by one, oldest first; none if there is no log.

    Left out are damaged lines and lines that stand there twice; with `last` also all but the last `last` bytes and
    `NEWEST_LINES` lines. With `dir_fd`, the descriptor of a directory, `path` is relative to that. Raises
    `UserError` if the log is no file of this user, too large, or too long.
    """
    seen = set[int]()  # hashes, because the lines themselves would need as much memory as the file
    try:
        for line in _lines(path, dir_fd, last):
            row = _row(line.data)
            if row is not None and (key := hash(line.data.strip(BLANK))) not in seen:
                seen.add(key)
                yield row
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); restore the file or delete it") from None


class Line(NamedTuple):
    """A line of a log, with its end."""

    data: bytes  # empty if it is longer than `LONGEST`
    size: int  # bytes


def _lines(path: Path | str, dir_fd: int | None = None, last: int | None = None) -> Iterator[Line]:
    """Every line of the log, or only the `last` ones, see `rows_in`; none if there is no log.

    Raises `OSError` if it is no file of this user or too long.
    """
    try:
        descriptor = open_file(path, os.O_RDONLY, dir_fd=dir_fd)
    except FileNotFoundError:
        return
    with open(descriptor, "rb") as file:
        length = os.fstat(descriptor).st_size
        require_size(length, LARGEST)
        if last is not None and length > last:
            file.seek(length - last - 1)
            _skip(file, 1)
        start = file.tell()
        count = _count(file) if length - start >= 2 * NEWEST_LINES else 0  # of bytes in the shortest lines
        if last is None and count > MOST_LINES:
            raise OSError(errno.EFBIG, f"it has more than {MOST_LINES:,} lines")
        file.seek(start)
        if last is not None:
            _skip(file, count - NEWEST_LINES)
        while data := file.readline(LONGEST):
            size = len(data)
            if size < LONGEST or data.endswith(b"\n"):
                yield Line(data, size)
                continue
            yield Line(b"", size + _skip(file, 1))


def _skip(file: BinaryIO, lines: int) -> int:
    """Pass over that many lines, the first of which may have been begun; return how many bytes they are."""
    start = file.tell()
    for _ in range(lines):
        while (piece := file.readline(LONGEST)) and not piece.endswith(b"\n"):
            pass
    return file.tell() - start


def _count(file: BinaryIO) -> int:
    """How many lines there are from here to the end."""
    return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))


def _row(line: bytes) -> dict[str, Any] | None:
    """The object in `line`. NUL bytes around it, which a power cut may leave, and a missing line end do no harm."""
    try:
        row = parse(line.strip(BLANK))
    except MalformedError:
        return None
    if not isinstance(row, dict):
        return None
    step = row.get("step")
    return row if type(step) is int and 0 <= step < 1 << 63 else None


def _step(line: bytes) -> int | None:
    """The "step" in `line`; None for a damaged one. A line that looks as `JsonLines` writes it is not read whole."""
    line = line.strip(BLANK)
    if (found := WRITTEN.match(line)) and line.endswith(b"}"):
        return int(found[1])
    row = _row(line)
    return None if row is None else int(row["step"])


def _plain(value: Any) -> Any:
    """`value` in the types that JSON has."""
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
