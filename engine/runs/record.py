"""The record of a run: its settings, vocabulary and text, as `config.json` and as the first message to a viewer."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from engine.config import Config, from_mapping
from engine.errors import ConfigError, UserError
from engine.setting import settings_of
from engine.text.counting import Ladder, Rung
from engine.text.vocabulary import Vocabulary

CONFIG = "config.json"
FORMAT_VERSION = 1

NAMED = 5  # left-out files that are named, at most; of all others only the number is given

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
    held_out: int = 0  # characters kept for validation
    validated: int = 0  # how many of them a validation measures; 0: not known, as in runs of version 0.1
    entropy: float | None = None  # nats per character, if it is known exactly
    detached: bool = False  # whether its process has no terminal, and outlives every viewer


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
    held_out: int = 0  # characters kept for validation
    validated: int = 0  # how many of them a validation measures; 0: not known, as in runs of version 0.1
    ladder: Ladder | None = None  # None: not counted yet
    entropy: float | None = None  # nats per character, if it is known exactly
    left_out: tuple[str, ...] = ()  # the first files, at most `NAMED`, below a directory that are not text
    left_out_count: int = 0
    created: str = field(default_factory=_now)  # ISO 8601, UTC
    program_version: str = field(default_factory=_program_version)

    def info(self, directory: Path, *, detached: bool = False) -> RunInfo:
        """The first message to viewers of the run in `directory`."""
        return RunInfo(
            name=directory.name,
            directory=str(directory),
            config=self.config.to_json(),
            vocabulary=self.vocabulary,
            text_name=self.text_name,
            text_length=self.text_length,
            parameters=self.parameters,
            threads=self.config.threads,
            held_out=self.held_out,
            validated=self.validated,
            entropy=self.entropy,
            detached=detached,
        )

    @property
    def left_out_notice(self) -> str:
        """One sentence that names the files that were left out of the text; empty if there are none."""
        if not self.left_out_count:
            return ""
        count = self.left_out_count
        what = "1 file that is" if count == 1 else f"{count:,} files that are"
        more = f" and {count - len(self.left_out):,} more" if count > len(self.left_out) else ""
        return f"left out {what} not {self.config.encoding} text: {', '.join(self.left_out)}{more}"

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
        held_out=int(values.get("held_out", 0)),
        validated=int(values.get("validated", 0)),
        ladder=_ladder(values["ladder"]),
        entropy=None if values["entropy"] is None else float(values["entropy"]),
        left_out=tuple(map(str, values.get("left_out", ()))),
        left_out_count=int(values.get("left_out_count", 0)),
        created=datetime.fromisoformat(values["created"]).isoformat(timespec="milliseconds"),
        program_version=str(values["program_version"]),
    )


def _ladder(values: Any) -> Ladder | None:
    """The ladder in `config.json`. Version 0.1 has a list of rungs, each with k = n − 1."""
    if isinstance(values, list):
        return Ladder(tuple(Rung(int(rung["k"]) + 1, float(rung["loss"])) for rung in values), 0)
    if values is None:
        return None
    rungs = tuple(Rung(int(rung["n"]), float(rung["loss"])) for rung in values["rungs"])
    return Ladder(rungs, int(values["counted"]))
