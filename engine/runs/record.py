"""The record of a run: its settings, vocabulary and text, as `config.json` and as the first message to a viewer."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from engine.config import Config, from_mapping
from engine.errors import ConfigError, UserError
from engine.setting import settings_of
from engine.text.counting import Rung
from engine.text.known import is_known
from engine.text.vocabulary import Vocabulary

CONFIG = "config.json"
FORMAT_VERSION = 1

NAMED = 5  # files and directories that are named, of those that are left out; of all others only the number is given

State = Literal["starting", "training", "paused", "finished", "stopped", "diverged", "failed", "crashed"]


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The first message to a viewer: what a run is, in plain values."""

    name: str
    directory: str
    config: dict[str, Any]  # Config.to_json()
    vocabulary: tuple[str, ...]  # in index order
    text_name: str
    text_length: int  # characters, training and validation together
    parameters: int  # how many
    threads: int  # of the BLAS
    ladder: tuple[Rung, ...] = ()
    entropy: float | None = None  # nats per character, if it is known exactly
    detached: bool = False  # whether the run goes on when the viewer leaves


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _program_version() -> str:
    try:
        return version("charrnn-tui")
    except PackageNotFoundError:  # a source tree that is not installed
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
    text_length: int  # characters, training and validation together
    fingerprint: str  # of the text, see `Corpus`
    parameters: int  # how many
    ladder: tuple[Rung, ...] = ()
    entropy: float | None = None  # nats per character, if it is known exactly
    left_out: tuple[str, ...] = ()  # the first, at most `NAMED`, of what is not text, each with the reason
    left_out_count: int = 0
    created: str = field(default_factory=_now)  # ISO 8601, UTC
    program_version: str = field(default_factory=_program_version)

    def config_in(self, directory: Path) -> Config:
        """The settings with absolute paths of texts; a relative one in the record is kept in the run's `directory`."""
        place = os.path.abspath(directory)
        texts = (text if is_known(text) else os.path.join(place, text) for text in self.config.text)
        return self.config.replace(text=tuple(texts))

    def info(self, directory: Path, *, detached: bool = False) -> RunInfo:
        """The first message to viewers of the run in `directory`."""
        return RunInfo(
            name=directory.name,
            directory=str(directory),
            config=self.config_in(directory).to_json(),
            vocabulary=self.vocabulary,
            text_name=self.text_name,
            text_length=self.text_length,
            parameters=self.parameters,
            threads=self.config.threads,
            ladder=self.ladder,
            entropy=self.entropy,
            detached=detached,
        )

    @property
    def left_out_notice(self) -> str:
        """One sentence that names what was left out of the text, and why; empty if nothing was."""
        if not self.left_out_count:
            return ""
        count = self.left_out_count
        more = f" and {count - len(self.left_out):,} more" if count > len(self.left_out) else ""
        return f"left out of the text: {', '.join(self.left_out)}{more}"

    def to_bytes(self) -> bytes:
        """The content of `config.json`."""
        values = {**self.config.to_json(), **dataclasses.asdict(self)}
        del values["config"]
        return json.dumps({"format_version": FORMAT_VERSION, **values}, indent=1).encode() + b"\n"


def read_record(directory: Path) -> RunRecord:
    """The record of the run in `directory`. Raises `UserError` if it is missing, damaged, or of a newer version."""
    path = directory / CONFIG
    try:
        values = json.loads(path.read_bytes())
        newer = values["format_version"] > FORMAT_VERSION
        record = None if newer else _record(values)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{directory}: is not a run (it has no {CONFIG}); choose a run's directory") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    except (ConfigError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"{path}: is damaged ({reason}); restore it, or delete the run's directory") from None
    if record is None:
        raise UserError(f"{path}: was written by a newer charrnn-tui; update this one to open the run")
    return record


def _record(values: dict[str, Any]) -> RunRecord:
    return RunRecord(
        config=from_mapping({name: values[name] for name in settings_of(Config) if name in values}),
        vocabulary=Vocabulary(tuple(values["vocabulary"])).characters,
        text_name=str(values["text_name"]),
        text_length=int(values["text_length"]),
        fingerprint=str(values["fingerprint"]),
        parameters=int(values["parameters"]),
        ladder=tuple(Rung(int(rung["k"]), float(rung["loss"])) for rung in values["ladder"]),
        entropy=None if values["entropy"] is None else float(values["entropy"]),
        left_out=tuple(map(str, values.get("left_out", ()))),
        left_out_count=int(values.get("left_out_count", 0)),
        created=datetime.fromisoformat(values["created"]).isoformat(timespec="milliseconds"),
        program_version=str(values["program_version"]),
    )
