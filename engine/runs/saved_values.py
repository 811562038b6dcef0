"""The values beside saved arrays: what a checkpoint and saved weights hold, and whether it fits the run's record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from engine.config import Config
from engine.errors import UserError
from engine.network.parameters import mismatch
from engine.runs.record import CONFIG, RunRecord, vocabulary_fingerprint
from engine.setting import settings_of
from engine.training.trainer import state_shapes
from engine.typed_json import Between, Count, MalformedError, Measured, read, shown

Word = Annotated[int, Between(0, 2**32 - 1)]
LongWord = Annotated[int, Between(0, 2**128 - 1)]
Saved = TypeVar("Saved")


@dataclass(frozen=True, slots=True)
class SavedWeights:
    """The values beside saved weights."""

    step: Count
    val_loss: Measured | None = None  # of the best ones; nats per character
    vocabulary: str = ""  # its fingerprint; none before version 0.3


@dataclass(frozen=True, slots=True)
class Generator:
    """The two numbers of a PCG64."""

    state: LongWord
    inc: LongWord


@dataclass(frozen=True, slots=True)
class RandomState:
    """The state of a random generator, as NumPy has it."""

    bit_generator: Literal["PCG64"]
    state: Generator
    has_uint32: Word
    uinteger: Word


@dataclass(frozen=True, slots=True)
class CheckpointValues:
    """The values of `Trainer.state`, and what else a checkpoint holds."""

    steps: Count
    lr: float
    optimizer_steps: Count
    random: RandomState
    session: Any = None  # the session knows what is in it
    settings: dict[str, Any] = field(default_factory=dict)  # `RunRecord.kept_settings`; none before version 0.3
    vocabulary: str = ""  # its fingerprint; none before version 0.3


def beside_weights(record: RunRecord, step: int, **values: Any) -> dict[str, Any]:
    """The values to save beside weights of `record`'s run after `step` steps."""
    return {"step": step, "vocabulary": vocabulary_fingerprint(record.vocabulary), **values}


def beside_checkpoint(record: RunRecord, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values to save in a checkpoint of `record`'s run: those of the trainer and the session, and the settings."""
    return {**values, "settings": record.kept_settings, "vocabulary": vocabulary_fingerprint(record.vocabulary)}


def step_of_weights(file: Path, record: RunRecord, values: Mapping[str, Any]) -> int:
    """The step after which the weights in `file` were saved.

    Raises `UserError` if the `values` beside them are damaged, or they are of another vocabulary than `record` has.
    """
    saved = _read(SavedWeights, file, values)
    _require_vocabulary(file, record, saved.vocabulary)
    return saved.step


def require_shapes(file: Path, record: RunRecord, found: dict[str, tuple[int, ...]]) -> None:
    """Raise `UserError` unless `found` are the shapes of the arrays in a checkpoint of `record`'s run, by name."""
    if problem := mismatch(state_shapes(record.config, len(record.vocabulary)), found):
        raise UserError(f"{file}: is of another network than {CONFIG} ({problem}); restore the file")


def checkpoint_values(file: Path, values: Mapping[str, Any]) -> CheckpointValues:
    """The `values` of the checkpoint in `file`. Raises `UserError` if they are damaged."""
    saved = _read(CheckpointValues, file, values)
    if not saved.lr > 0:
        raise _damaged(file, f"lr: {saved.lr} is not above 0")
    return saved


def require_resumable(
    file: Path, record: RunRecord, values: Mapping[str, Any], check_session: Callable[[Any], object]
) -> None:
    """Raise `UserError` if a run cannot go on from the `values` of the checkpoint in `file`.

    They may be damaged, or of other settings or another vocabulary than `record` has: somebody has then changed
    `config.json` by hand. `check_session` raises `MalformedError` if the session cannot go on from its values.
    """
    saved = checkpoint_values(file, values)
    _require_vocabulary(file, record, saved.vocabulary)
    ours = record.kept_settings
    for name in ours:
        if name in saved.settings and ours[name] != saved.settings[name]:
            free = ", ".join(name for name, each in settings_of(Config).items() if each.may_change)
            raise UserError(
                f"{file.parent / CONFIG}: {name} is {shown(ours[name])}, and the run was trained with "
                f"{shown(saved.settings[name])}; put that back, or start a new run (only {free} may change)"
            )
    try:
        check_session(saved.session)
    except MalformedError as error:
        raise _damaged(file, error) from None


def _read(kind: type[Saved], file: Path, values: Mapping[str, Any]) -> Saved:
    try:
        return read(kind, values)
    except MalformedError as error:
        raise _damaged(file, error) from None


def _damaged(file: Path, reason: object) -> UserError:
    return UserError(f"{file}: is damaged ({reason}); use another copy or another run")


def _require_vocabulary(file: Path, record: RunRecord, fingerprint: str) -> None:
    if fingerprint not in ("", vocabulary_fingerprint(record.vocabulary)):
        raise UserError(
            f"{file.parent / CONFIG}: its vocabulary is not that of {file.name}; restore the file it was changed in"
        )
