"""What happens in a run. Every event arrives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.messages.instruments import GradientFlow, Sample
from engine.messages.snapshot import State


@dataclass(frozen=True, slots=True)
class Saved:
    step: int
    path: str
    why: Literal["interval", "asked", "best", "end"]


@dataclass(frozen=True, slots=True)
class Validated:
    step: int
    loss: float
    best: bool


@dataclass(frozen=True, slots=True)
class SampleFinished:
    sample: Sample


@dataclass(frozen=True, slots=True)
class MomentRecorded:
    """A gradient snapshot for the history that a viewer walks through."""

    flow: GradientFlow


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
    """Something worth a line on the screen, as a warning that saving failed, or that it works again."""

    text: str
    severity: Literal["information", "warning", "error"] = "information"


Event = Saved | Validated | SampleFinished | MomentRecorded | StateChanged | Failed | Notice
