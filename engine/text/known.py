"""The texts that are known by name: three come with the program, one is made, two are taken from this Python."""

from __future__ import annotations

import functools
import importlib.resources
import sysconfig
from functools import partial
from pathlib import Path

from engine.errors import UserError
from engine.text import brackets
from engine.text.files import Entries, file_source, walk
from engine.text.source import Source, Text, in_memory

BRACKETS_LENGTH = 1_000_000
MOST_BRACKETS = 100_000_000  # some seconds of making them

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


def is_known(argument: str) -> bool:
    """Whether `argument` names a known text; the brackets may have a size and a seed behind a colon."""
    return argument in KNOWN or argument.startswith("brackets:")


def known_text(argument: str, entries: Entries) -> Text:
    """The known text that `argument` names. A walk through the files of one is counted in `entries`.

    Raises `UserError` if this Python lacks it, and for brackets of a wrong size or seed.
    """
    if argument in SHIPPED:
        return _shipped(argument)
    if argument == "stdlib":
        return _stdlib(entries)
    return _pydoc() if argument == "pydoc" else _brackets(argument)


def _brackets(argument: str) -> Text:
    _, _, options = argument.partition(":")
    try:
        length, seed = (int(number) for number in (f"{options or BRACKETS_LENGTH}:0").split(":")[:2])
        if length < 1 or seed < 0 or options.count(":") > 1:
            raise ValueError
    except ValueError:
        raise UserError(f"{argument}: write brackets, brackets:SIZE or brackets:SIZE:SEED, whole numbers") from None
    if length > MOST_BRACKETS:
        raise UserError(f"{argument}: is too long to be made; ask for {MOST_BRACKETS:,} characters at most")
    pieces = partial(brackets.blocks, length, seed)
    source = Source(argument, length, "ascii", lambda: (piece.encode("ascii") for piece in pieces()))
    return Text(argument, [source], f"brackets:{length}:{seed}", argument)


@functools.cache  # a text that is named a hundred times is in memory once
def _shipped(argument: str) -> Text:
    content = importlib.resources.files("corpora").joinpath(SHIPPED[argument]).read_bytes()
    return Text(argument, [in_memory(argument, content)], argument, argument)


def _stdlib(entries: Entries) -> Text:
    root = Path(sysconfig.get_path("stdlib"))
    skipped = {"test", "tests", "site-packages", "dist-packages"}
    files = walk(root, entries, skipped).files
    sources = [file_source(path, "utf-8", status) for path, status in files if path.suffix == ".py"]
    if not sources:
        raise UserError(f"stdlib: this interpreter has no Python sources in {root}; name another text")
    return Text("stdlib", sources, f"stdlib {root}", "stdlib", optional=True)


@functools.cache
def _pydoc() -> Text:
    try:
        from pydoc_data.topics import topics  # half a megabyte that few runs need
    except ImportError:
        raise UserError("pydoc: this interpreter came without its language reference; name another text") from None
    content = "\n\n".join(topics[name] for name in sorted(topics))
    return Text("pydoc", [in_memory("pydoc", content.encode("utf-8"))], "pydoc", "pydoc")
