"""The loop's own values in a checkpoint, checked before a run goes on from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine.runs.record import State
from engine.session.messages import SamplingSettings
from engine.session.sample_stream import is_possible
from engine.typed_json import Count, MalformedError, Measured, read

LONGEST_SAVED_PROMPT = 100_000  # characters that a sample may begin with


@dataclass(frozen=True, slots=True)
class SavedSession:
    """What a checkpoint has of the session. Losses are in nats per character.

    A field with a default came with a later version.
    """

    seconds: float  # of training
    val_loss: Measured | None
    best_val_loss: Measured | None
    reported: tuple[Measured, ...]  # losses since the last line of metrics
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    clamps: tuple[tuple[Count, tuple[tuple[Count, float], ...]], ...] = ()  # for each layer the held (unit, value)
    clamp_effect: float | None = None
    last: tuple[Count, float, Measured, Measured, float] | None = None  # the first fields of `Step`
    clipped: Count = 0  # steps since the last line of metrics whose gradient was clipped; none before version 0.3
    val_loss_se: Measured | None = None
    regret: Measured | None = None  # of the best validation loss
    regret_se: Measured | None = None
    state: State = "training"
    reason: str = ""
    stale: Count = 0  # validations since the best one


def read_session(values: Any) -> SavedSession:
    """The `SavedSession` that `values` describe. Raises `MalformedError`."""
    try:
        session = read(SavedSession, values)
    except MalformedError as error:
        raise error.inside("session") from None
    if not is_possible(session.sampling) or len(session.sampling.prompt) > LONGEST_SAVED_PROMPT:
        raise MalformedError("session.sampling: nothing can be drawn with it")
    return session
