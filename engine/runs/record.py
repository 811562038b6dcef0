"""The record of a run: its settings, vocabulary and text, as `config.json` and as the first message to a viewer."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from engine.config import Config, from_mapping
from engine.errors import ConfigError, UserError
from engine.runs.files import read_file
from engine.setting import settings_of
from engine.text.counting import Ladder
from engine.text.known import is_known
from engine.text.likeness import warning
from engine.text.split import held_out_in_words
from engine.text.vocabulary import Vocabulary
from engine.training.memory import parameter_count
from engine.typed_json import Count, MalformedError, Measured, parse, read, shown

CONFIG = "config.json"
FORMAT_VERSION = 1
LARGEST = 8 << 20  # bytes of `config.json`: enough for every character of Unicode that has a meaning
LONGEST_NAME = 5000  # characters of a text's name, so that a sentence can name it

NAMED = 5  # files and directories that are named, of those that are left out; of all others only the number is given


State = Literal["starting", "training", "paused", "finished", "stopped", "diverged", "failed", "crashed"]


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The first message to a viewer: what a run is, in plain values."""

    name: str
    directory: str  # empty for a run on another host
    config: dict[str, Any]  # Config.to_json()
    vocabulary: tuple[str, ...]  # in index order
    text_name: str
    text_length: int  # characters, training and validation together
    parameters: int  # how many
    threads: int  # of the BLAS
    held_out: int = 0  # characters kept for validation
    validated: int = 0  # how many of them a validation measures; 0: not known, as in runs of version 0.1
    entropy: float | None = None  # nats per character, if it is known exactly
    detached: bool = False  # whether its process has no terminal, and outlives every viewer
    tested: int = 0  # characters kept for a test, behind those for validation
    unlike: float = 0.0  # how unlike the rest the held-out text is, see `engine.text.likeness`
    prompt: str = ""  # the one typed last by any viewer, with which the next one begins

    @property
    def held_out_place(self) -> str:
        """Where in the text the characters for validation lie."""
        return held_out_in_words(self.held_out, self.tested, int(self.config.get("blocks", 1)))

    @property
    def held_out_notice(self) -> str:
        """One sentence that warns of a held-out text which is unlike the rest; empty if it is not."""
        return warning(self.unlike, int(self.config.get("blocks", 1)))

    @property
    def held_out_remark(self) -> str:
        """A shorter warning, which says where that text lies; empty if it is like the rest."""
        return warning(self.unlike, int(self.config.get("blocks", 1)), self.held_out_place)

    @property
    def trained(self) -> int:
        """Characters for training."""
        return self.text_length - self.held_out - self.tested


class NotARunError(UserError):
    """A directory that is no run: it has no `config.json`."""


class NewerRunError(UserError):
    """A run that a later version of this program wrote."""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def program_version() -> str:
    """The version of this program; "unknown" if it is a source tree that is not installed."""
    try:
        return version("charrnn-tui")
    except PackageNotFoundError:
        return "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """The content of `config.json`: settings under their names in `Config`, vocabulary, text, program.

    `config.threads` and `config.workers` are the numbers of BLAS threads and of processes that the run was started
    with: a resumed run gives the same bits only with the same numbers.
    """

    config: Config
    vocabulary: tuple[str, ...]  # in index order
    text_name: str
    text_length: Count  # characters, training and validation together
    fingerprint: str  # of the text, see `Corpus`
    parameters: Count  # how many
    held_out: Count = 0  # characters kept for validation
    validated: Count = 0  # how many of them a validation measures; 0: not known, as in runs of version 0.1
    ladder: Ladder | None = None  # None: not counted yet
    entropy: float | None = None  # nats per character, if it is known exactly
    tested: Count = 0  # characters kept for a test, behind those for validation
    unlike: Measured = 0.0  # how unlike the rest the held-out text is, see `engine.text.likeness`
    origin: str = ""  # the run whose weights this one began with, and the step; empty if its own were drawn
    inherited: tuple[str, ...] = ()  # characters that only that run's text has
    fresh: tuple[str, ...] = ()  # characters that only this run's text has
    left_out: tuple[str, ...] = ()  # the first, at most `NAMED`, of what is not text, each with the reason
    left_out_count: Count = 0
    created: str = field(default_factory=_now)  # ISO 8601, UTC
    program_version: str = field(default_factory=program_version)

    def config_in(self, directory: Path) -> Config:
        """The settings with absolute paths of texts; a relative one in the record is kept in the run's `directory`."""
        return texts_in(self.config, directory)

    def info(self, directory: Path, *, detached: bool = False, prompt: str = "") -> RunInfo:
        """The first message to viewers of the run in `directory`, where `prompt` was typed last."""
        return RunInfo(
            name=directory.name,
            directory=str(directory),
            config=self.config_in(directory).to_json(),
            vocabulary=self.vocabulary,
            text_name=self.text_name,
            text_length=self.text_length,
            parameters=self.parameters,
            threads=self.config.threads,
            held_out=self.held_out,
            validated=self.validated,
            entropy=self.entropy,
            tested=self.tested,
            unlike=self.unlike,
            detached=detached,
            prompt=prompt,
        )

    @property
    def held_out_notice(self) -> str:
        """One sentence that warns of a held-out text which is unlike the rest; empty if it is not."""
        return warning(self.unlike, self.config.blocks)

    @property
    def left_out_notice(self) -> str:
        """One sentence that names what was left out of the text, and why; empty if nothing was."""
        if not self.left_out_count:
            return ""
        count = self.left_out_count
        more = f" and {count - len(self.left_out):,} more" if count > len(self.left_out) else ""
        return f"left out of the text: {', '.join(self.left_out)}{more}"

    @property
    def origin_notice(self) -> str:
        """One sentence about the weights that the run began with, and what was taken over; empty if they were drawn."""
        if not self.origin:
            return ""
        known = len(self.vocabulary) - len(self.fresh)
        words = f"begins with the weights of {self.origin}: {known:,} characters taken over as they were"
        if self.fresh:
            named = ", ".join(map(repr, self.fresh[:NAMED]))
            more = f" and {len(self.fresh) - NAMED:,} more" if len(self.fresh) > NAMED else ""
            words += f"; new, and drawn afresh: {named}{more}"
        return words

    @property
    def kept_settings(self) -> dict[str, Any]:
        """The settings that a resumed run keeps, in plain values. Not the text: it has a fingerprint, and may move."""
        free = {name for name, each in settings_of(Config).items() if each.may_change} | {"text", "encoding"}
        return {name: value for name, value in self.config.to_json().items() if name not in free}

    def to_bytes(self) -> bytes:
        """The content of `config.json`. Raises `UserError` if it is larger than what `read_record` reads."""
        values = {**self.config.to_json(), **dataclasses.asdict(self)}
        del values["config"]
        content = json.dumps({"format_version": FORMAT_VERSION, **values}, indent=1).encode() + b"\n"
        if len(content) > LARGEST:
            raise UserError(
                f"{self.text_name}: the names of its files and its {len(self.vocabulary):,} characters take more than "
                f"{LARGEST:,} bytes; name a directory instead of its files, or a text with fewer characters"
            )
        return content


def texts_in(config: Config, directory: Path) -> Config:
    """`config` with absolute paths of texts; a relative one is kept in `directory`."""
    place = os.path.abspath(directory)
    texts = (text if is_known(text) else os.path.join(place, text) for text in config.text)
    return config.replace(text=tuple(texts))


def vocabulary_fingerprint(vocabulary: tuple[str, ...]) -> str:
    """A short text that is another one for every other vocabulary."""
    points = " ".join(str(ord(character)) for character in vocabulary)
    return hashlib.sha256(points.encode()).hexdigest()[:16]


def require_vocabulary(directory: Path, record: RunRecord, vocabulary: Vocabulary) -> None:
    """Raise `UserError` if the record of the run in `directory` has another vocabulary than its text."""
    if record.vocabulary != vocabulary.characters:
        raise UserError(f"{directory / CONFIG}: its vocabulary is not that of its text; restore the file")


def read_record(directory: Path) -> RunRecord:
    """The record of the run in `directory`.

    Raises `NotARunError` if there is no `config.json`, `NewerRunError` if a later version wrote it, `UserError` if it
    is damaged or cannot be read.
    """
    path = directory / CONFIG
    try:
        values = parse(read_file(path, LARGEST))
        if isinstance(values, dict) and type(number := values.get("format_version")) is int and number > FORMAT_VERSION:
            raise NewerRunError(f"{path}: was written by a newer charrnn-tui; update this one to open the run")
        return _record(values)
    except (FileNotFoundError, NotADirectoryError):
        raise NotARunError(f"{directory}: is not a run (it has no {CONFIG}); choose a run's directory") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    except (ConfigError, MalformedError) as error:
        raise UserError(f"{path}: is damaged ({error}); restore it, or delete the run's directory") from None


@dataclass(frozen=True, slots=True)
class _Version:
    format_version: Count


def _record(values: Any) -> RunRecord:
    read(_Version, values)
    config = from_mapping({name: values[name] for name in settings_of(Config) if name in values})
    known = {"config": config} | ({"created": _time(values["created"])} if "created" in values else {})
    record = read(RunRecord, values | {"ladder": _ladder(values.get("ladder"))}, **known)
    if len(record.text_name) > LONGEST_NAME:
        raise MalformedError(f"text_name: has {len(record.text_name):,} characters")
    if problem := _problem(record.vocabulary):
        raise MalformedError(f"vocabulary: {problem}")
    asked = parameter_count(config, len(record.vocabulary))
    if (added := {*record.inherited, *record.fresh}) and not added <= set(record.vocabulary):
        raise MalformedError("inherited, fresh: have characters that the vocabulary has not")
    if record.parameters != asked:
        raise MalformedError(f"parameters: {record.parameters}, and a network with these settings has {shown(asked)}")
    return record


@lru_cache  # the runs in a directory are often of the same few texts
def _problem(vocabulary: tuple[str, ...]) -> str:
    """Why `vocabulary` is none; empty where it is one."""
    try:
        Vocabulary(vocabulary)
    except ValueError as error:
        return str(error)
    return ""


def _ladder(values: Any) -> Any:
    """A ladder as it is written now. Version 0.1 has a list of rungs, each with k = n − 1."""
    if not isinstance(values, list):
        return values
    rungs = [read(_OldRung, rung) for rung in values]
    return {"rungs": [{"n": rung.k + 1, "loss": rung.loss} for rung in rungs], "counted": 0}


@dataclass(frozen=True, slots=True)
class _OldRung:
    k: Count
    loss: float


def _time(text: Any) -> str:
    """A time in ISO 8601, in UTC, and of a year that calculations with it can bear."""
    try:
        time = datetime.fromisoformat(text)
        time = time if time.tzinfo else time.replace(tzinfo=UTC)
        if not 1970 < time.year < 9999:
            raise ValueError
        return time.isoformat(timespec="milliseconds")
    except (TypeError, ValueError):
        raise MalformedError(f"created: {shown(text)} is no time") from None
