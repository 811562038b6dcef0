"""Where the characters come from: files, directories, standard input, and texts known by name."""

from __future__ import annotations

import difflib
import hashlib
import importlib.resources
import os
import stat
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO

from engine.errors import UserError
from engine.text import brackets

CHUNK = 1 << 20  # bytes read at a time
SPOOL = 1 << 25  # bytes of standard input kept in memory; the rest goes to a temporary file
BRACKETS_LENGTH = 1_000_000

# The texts known by name, each with a line for lists of texts: what is in it, or what a network learns from it.
KNOWN = {
    "saltmere": "an English novel: first words, then grammar, dialogue and names",
    "physics": "lecture notes in LaTeX: braces and environments that must be closed again, formulas in prose",
    "lantern": "a C library: indentation, nesting, and names that come back after hundreds of characters",
    "brackets": "nested brackets with their depth, made from a seed: can it count? The best loss is known exactly",
    "stdlib": "the Python sources of this interpreter: large, real code",
    "pydoc": "the language reference of this interpreter: technical prose with tables and examples",
}
SHIPPED = {"saltmere": "saltmere.txt", "physics": "physics.tex", "lantern": "lantern.c"}


@dataclass(frozen=True)
class Source:
    """Bytes that can be read several times, each time from the beginning."""

    label: str  # the name of the source in messages
    size: int  # bytes
    encoding: str
    chunks: Callable[[], Iterator[bytes]]
    stamp: Callable[[], str] = str  # returns another string when the bytes may have changed


@dataclass(frozen=True)
class Text:
    """A text as the user named it, and the sources that it stands for."""

    name: str
    sources: Sequence[Source]
    identity: str = ""  # names the text at every start, whatever its content; empty if it can be read only once
    optional: bool = False  # leave out sources that are not text: the user named the directory, not the file


def resolve(argument: str, encoding: str, opened: ExitStack, stdin: BinaryIO | None = None) -> Text:
    """The text that `argument` names: `-` for standard input, a known name, or else a path.

    A known name always means the known text, even if there is a file of that name; `./physics` is a path.
    `encoding` is the encoding of files and of `stdin`. A stream that can be read only once is copied to a
    temporary file, which stays open until `opened` is closed. Raises `UserError` if there is no such text,
    or it cannot be read.
    """
    if argument == "-":
        if stdin is None and sys.stdin is not None:
            stdin = sys.stdin.buffer
        if stdin is None or stdin.isatty():
            raise UserError("-: nothing is piped into standard input; pipe a text into it, or name a file")
        return Text("standard input", [_spooled("standard input", stdin, encoding, opened)])
    if not argument:
        raise UserError(_missing(argument))
    name, _, options = argument.partition(":")
    if name == "brackets":
        return _brackets(argument, options)
    if argument in SHIPPED:
        content = importlib.resources.files("corpora").joinpath(SHIPPED[argument]).read_bytes()
        return Text(argument, [_in_memory(argument, content)], identity=argument)
    if argument == "stdlib":
        return _stdlib()
    if argument == "pydoc":
        return _pydoc()
    return _path(argument, encoding, opened)


def _in_memory(label: str, content: bytes) -> Source:
    return Source(label, len(content), "utf-8", lambda: iter([content]), lambda: hashlib.sha256(content).hexdigest())


def _brackets(argument: str, options: str) -> Text:
    try:
        length, seed = (int(number) for number in (f"{options or BRACKETS_LENGTH}:0").split(":")[:2])
        if length < 1 or seed < 0 or options.count(":") > 1:
            raise ValueError
    except ValueError:
        raise UserError(f"{argument}: write brackets, brackets:SIZE or brackets:SIZE:SEED, whole numbers") from None
    pieces = partial(brackets.blocks, length, seed)
    source = Source(argument, length, "ascii", lambda: (piece.encode("ascii") for piece in pieces()))
    return Text(argument, [source], identity=f"brackets:{length}:{seed}")


def _stdlib() -> Text:
    root = sysconfig.get_path("stdlib")
    skipped = {"test", "tests", "site-packages", "dist-packages"}
    sources = [_file(path, "utf-8") for path in _files(root, skipped) if path.suffix == ".py"]
    if not sources:
        raise UserError(f"stdlib: this interpreter has no Python sources in {root}; name another text")
    return Text("stdlib", sources, identity=f"stdlib {root}", optional=True)


def _pydoc() -> Text:
    try:
        from pydoc_data.topics import topics  # half a megabyte that few runs need
    except ImportError:
        raise UserError("pydoc: this interpreter came without its language reference; name another text") from None
    content = "\n\n".join(topics[name] for name in sorted(topics))
    return Text("pydoc", [_in_memory("pydoc", content.encode("utf-8"))], identity="pydoc")


def _path(argument: str, encoding: str, opened: ExitStack) -> Text:
    path = Path(os.path.expanduser(argument))
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            sources = [_file(file, encoding) for file in _files(path)]
            return Text(path.resolve().name or argument, sources, str(path.resolve()), optional=True)
        if stat.S_ISREG(mode):
            return Text(path.name, [_file(path, encoding)], str(path.resolve()))
        if stat.S_ISFIFO(mode):
            with path.open("rb") as pipe:
                return Text(argument, [_spooled(argument, pipe, encoding, opened)])
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the path
        raise UserError(_missing(argument)) from None
    except OSError as error:
        raise UserError(f"{argument}: cannot be read ({error.strerror}); name a file that can be read") from None
    raise UserError(f"{argument}: is a device, not a text; name a file, a directory or -")


def _missing(argument: str) -> str:
    close = difflib.get_close_matches(argument.lower(), KNOWN, n=1)
    hint = f"did you mean {close[0]}?" if close else f"name a file, a directory, - or one of {', '.join(KNOWN)}"
    return f"{argument!r}: there is no such file or text; {hint}"


def _files(root: str | Path, skipped: set[str] | frozenset[str] = frozenset()) -> list[Path]:
    """The regular files below `root`, sorted by path, except hidden ones and those in hidden directories."""
    found = []
    for directory, directories, files in os.walk(root):
        directories[:] = [name for name in directories if name not in skipped and not name.startswith(".")]
        found += [Path(directory, name) for name in files if not name.startswith(".")]
    return sorted(path for path in found if path.is_file())


def _file(path: Path, encoding: str) -> Source:
    def stamp() -> str:
        status = path.stat()
        return f"{path.name} {status.st_size} {status.st_mtime_ns}"

    def chunks() -> Iterator[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    return Source(str(path), path.stat().st_size, encoding, chunks, stamp)


def _spooled(label: str, stream: IO[bytes], encoding: str, opened: ExitStack) -> Source:
    """A source that reads a copy of `stream`, because the stream itself can be read only once."""
    spool = opened.enter_context(tempfile.SpooledTemporaryFile(SPOOL))  # noqa: SIM115 (`opened` closes it)
    try:
        while chunk := stream.read(CHUNK):
            spool.write(chunk)
    except OSError as error:
        raise UserError(f"{label}: cannot be read or kept ({error.strerror}); name a file instead") from None

    def chunks() -> Iterator[bytes]:
        spool.seek(0)
        while chunk := spool.read(CHUNK):
            yield chunk

    return Source(label, spool.tell(), encoding, chunks)
