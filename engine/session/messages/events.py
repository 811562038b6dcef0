"""Events come out of a run: every one arrives at every viewer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.probes.results import Sample
from engine.runs.record import State


@dataclass(frozen=True, slots=True)
class Saved:
    step: int
    path: str
    why: Literal["interval", "asked", "end"]


@dataclass(frozen=True, slots=True)
class SampleFinished:
    sample: Sample


@dataclass(frozen=True, slots=True)
class StateChanged:
    state: State
    step: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The engine raised. `text` is the exception in one line, `log` the file with the traceback."""

    step: int
    text: str
    log: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence for the user, for example that saving failed, or that it works again."""

    text: str
    severity: Literal["information", "warning", "error"] = "information"


@dataclass(frozen=True, slots=True)
class Plateau:
    """The validation loss has stopped falling: the last `validations` were not below the best one, `best_val_loss`."""

    step: int
    validations: int
    best_val_loss: float  # nats per character


Event = Saved | SampleFinished | StateChanged | Failed | Notice | Plateau
