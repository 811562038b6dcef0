"""The text of a run: where it was found, or the copy that the run keeps in its own directory.

What was read at the start is what the run has. A copy is kept where the text is not sure to be found again as it was:
it came through a pipe, it is a directory, in which files come and go, or it has changed since it was read.
"""

from __future__ import annotations

import dataclasses
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from engine.config import Config
from engine.errors import UserError
from engine.runs.directory import RunDirectory
from engine.text.corpus import LARGE, Corpus, load_corpus
from engine.text.encoding import OtherLengthError

KEPT = "text.txt"
EARLIER = "standard-input.txt"  # the name of the copy in runs of 0.1
PIECE = 1 << 20  # characters written at a time


class RecordedText(Protocol):
    """What a record, of a run or a sweep, says of its text."""

    @property
    def config(self) -> Config: ...
    @property
    def text_name(self) -> str: ...
    @property
    def text_length(self) -> int: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def inherited(self) -> tuple[str, ...]: ...
    def config_in(self, directory: Path) -> Config: ...


def load_asked(config: Config, progress: Callable[[float], None] | None = None, **how: Any) -> Corpus:
    """The text that the settings ask for, divided as they say; for `how`, and what it raises, see `load_corpus`."""
    return load_corpus(
        config.text, config.encoding, config.validation, progress, test=config.test, blocks=config.blocks, **how
    )


def load_text(run: Path, record: RecordedText, progress: Callable[[float], None] | None = None) -> Corpus:
    """The text that the run or the sweep in the directory `run` began with.

    Raises `UserError` if it is neither kept in the run nor to be found as it was.
    """
    for name in (KEPT, EARLIER):
        if corpus := _read_kept(run / name, record, progress):
            return corpus.with_characters(record.inherited)
    config = record.config_in(run)
    length = record.text_length  # the text that a record names may take hours to read, and be another one
    try:
        corpus = load_asked(config, progress, streams=False, length=length)
    except OtherLengthError as error:
        raise _changed(record, error.found) from None
    if corpus.fingerprint != record.fingerprint:
        raise _changed(record, f"{corpus.length:,}")
    return corpus.with_characters(record.inherited)


def _changed(record: RecordedText, now: str) -> UserError:
    return UserError(
        f"{record.text_name}: has changed since the run began ({record.text_length:,} characters then, {now} now); "
        "put it back as it was, or name a copy of it as it was"
    )


def _read_kept(path: Path, record: RecordedText, progress: Callable[[float], None] | None) -> Corpus | None:
    """The kept copy; None if there is none, or it is not what the run began with."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return None
        config = record.config.replace(text=(str(path),), encoding="utf-8")
        corpus = load_asked(config, progress, streams=False, length=record.text_length)
    except (OSError, UserError):
        return None
    return dataclasses.replace(corpus, name=record.text_name) if corpus.fingerprint == record.fingerprint else None


def must_be_kept(corpus: Corpus) -> bool:
    """Whether a run keeps its text from the beginning: it can be read only once, or is a directory that is not large.

    A large directory is kept when something in it has changed.
    """
    return not all(corpus.addresses) or (not corpus.is_steady and corpus.length < LARGE)


def keep(corpus: Corpus, run: RunDirectory) -> None:
    """Write the text into the directory `run`. Raises `OSError` if the disk refuses."""
    run.write(KEPT, _pieces(corpus))


def keep_if_changed(corpus: Corpus, run: RunDirectory) -> bool:
    """Keep the text if it can no longer be read as it was; return whether that was done. Raises `OSError`."""
    if run.has(KEPT) or not corpus.has_changed():
        return False
    keep(corpus, run)
    return True


def _pieces(corpus: Corpus) -> Iterator[bytes]:
    """The text in UTF-8. If it begins with U+FEFF, another comes before it, because the reader drops one as a mark."""
    for start in range(0, corpus.length, PIECE):
        text = corpus.vocabulary.decode(corpus.codes[start : start + PIECE])
        mark = "\ufeff" if start == 0 and text.startswith("\ufeff") else ""
        yield (mark + text).encode("utf-8", "surrogatepass")
