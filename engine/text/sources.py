"""Finds the text that the user names: a known name, a file, a directory, or something that can be read only once.

What the name leads to decides, never how it is spelled: standard input may be called `-`, `/dev/stdin` or
`/proc/self/fd/0`, or be a link to one of these.
"""

from __future__ import annotations

import difflib
import errno
import os
import stat
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from engine.errors import UserError
from engine.text.files import KINDS, file_source, walk
from engine.text.known import KNOWN, is_known, known_text
from engine.text.own_output import is_own
from engine.text.source import Text
from engine.text.streams import Waiting, spooled

DESCRIPTORS = ("/proc/", "/dev/fd/")  # where names lie that mean something else in every process, or at every moment


@dataclass(frozen=True)
class Finder:
    """Finds texts. `encoding` is that of files and streams; copies of streams live until `opened` is closed.

    `stdin` replaces standard input. Without `streams`, what can be read only once is refused: a text that is looked up
    again, from a record, can't be that.
    """

    encoding: str
    opened: ExitStack
    stdin: BinaryIO | None = None
    waiting: Waiting = field(default_factory=Waiting)
    streams: bool = True

    def find(self, argument: str) -> Text:
        """The text that `argument` names: `-` for standard input, a known name, or else a path.

        A known name always means the known text, even if there is a file of that name; `./physics` is a path.
        Raises `UserError` if there is no such text, or it cannot be read.
        """
        if argument == "-":
            return self._standard_input()
        if is_known(argument):
            return known_text(argument)
        try:
            return self._at(argument, os.path.expanduser(argument))
        except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the path
            raise UserError(_missing(argument)) from None
        except OSError as error:
            raise UserError(f"{argument}: cannot be read ({error.strerror}); name a file that can be read") from None

    def _standard_input(self) -> Text:
        stream = self.stdin
        if stream is None and sys.stdin is not None:
            stream = sys.stdin.buffer
        if not self.streams:
            raise UserError("-: standard input could be read only once, when the run began; name the text")
        if stream is None or stream.isatty():
            raise UserError("-: nothing is piped into standard input; pipe a text into it, or name a file")
        return self._once("standard input", stream)

    def _at(self, argument: str, path: str) -> Text:
        status, shown = os.stat(path), path
        path = os.path.abspath(path)
        kind = stat.S_IFMT(status.st_mode)
        descriptor = _descriptor(path)
        if kind == stat.S_IFDIR:
            path = os.path.realpath(path) if descriptor else path
            return self._directory(argument, path, Path(path if descriptor else shown))
        if kind == stat.S_IFREG and status.st_size and not descriptor:
            name = os.path.basename(path)
            return Text(name, [file_source(shown, self.encoding, status)], os.path.realpath(path), path)
        if kind in (stat.S_IFREG, stat.S_IFIFO) or (kind == stat.S_IFSOCK and descriptor):
            if not self.streams and kind != stat.S_IFREG:
                raise UserError(f"{argument}: can be read only once; name a file")
            with open(_open(path, descriptor), "rb", buffering=0) as stream:
                return self._once(argument, stream)
        raise UserError(f"{argument}: is {KINDS.get(kind, 'no file')}, not a text; name a file, a directory or -")

    def _directory(self, argument: str, path: str, shown: Path) -> Text:
        """The text of all files below the absolute `path`; `shown` is the same path as messages name it."""
        real = Path(os.path.realpath(path))
        if is_own(real):
            raise UserError(f"{argument}: is the directory of a run, not a text; name a text")
        found = walk(shown)
        sources = [file_source(file, self.encoding, status) for file, status in found.files]
        # Where this process writes to a file below, no other process will find the same text.
        identity, address = ("", "") if found.has_own_output else (str(real), path)
        name = real.name or argument
        return Text(name, sources, identity, address, is_steady=False, optional=True, left_out=found.left_out)

    def _once(self, name: str, stream: BinaryIO) -> Text:
        return Text(name, [spooled(name, stream, self.encoding, self.opened, self.waiting)], is_steady=False)


def _descriptor(path: str) -> str:
    """The name of an open file, such as `/proc/self/fd/0`, that the absolute `path` leads to; empty if it is none.

    All files below `/proc` count: they are made anew whenever they are read.
    """
    for _ in range(40):  # links one after the other, as many as the system follows
        path = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        if path.startswith(DESCRIPTORS):
            return path
        if not os.path.islink(path):
            break
        path = os.path.join(os.path.dirname(path), os.readlink(path))
    return ""


def _open(path: str, descriptor: str) -> int:
    """A descriptor of a stream, which does not wait for a writer. A socket cannot be opened, only copied."""
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        number = os.path.basename(descriptor)
        is_ours = os.path.dirname(descriptor) in (f"/proc/{os.getpid()}/fd", "/dev/fd")
        if error.errno in (errno.ENXIO, errno.EOPNOTSUPP) and is_ours and number.isdecimal():
            return os.dup(int(number))
        raise


def _missing(argument: str) -> str:
    close = difflib.get_close_matches(argument.lower(), KNOWN, n=1)
    hint = f"did you mean {close[0]}?" if close else f"name a file, a directory, - or one of {', '.join(KNOWN)}"
    return f"{argument!r}: there is no such file or text; {hint}"
