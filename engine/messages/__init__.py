"""What a run and its viewers say to each other: plain frozen dataclasses, arrays copied and read-only.

Out of a run come `RunInfo` (once), `Snapshot` (the latest state, may be skipped) and events
(every one arrives). Into it go commands. All of them hold only numbers, strings, tuples, NumPy
arrays and each other, so that they can cross a socket (`engine.wire`) as they cross a thread.
"""

from __future__ import annotations

from typing import Protocol

from engine.messages.commands import (
    INSTRUMENTS,
    Clamp,
    Command,
    Pause,
    Resume,
    RollBack,
    Save,
    SetLearningRate,
    SetSampling,
    SetView,
    StepOnce,
    Stop,
    View,
)
from engine.messages.events import Event, Failed, MomentRecorded, Notice, SampleFinished, Saved, StateChanged, Validated
from engine.messages.instruments import (
    Candidate,
    Cells,
    Connectivity,
    ConnectivityMode,
    Feature,
    Floats,
    GradientFlow,
    GradientView,
    Integers,
    Sample,
)
from engine.messages.snapshot import History, Rung, RunInfo, Snapshot, State

__all__ = [
    "INSTRUMENTS",
    "Candidate",
    "Cells",
    "Clamp",
    "Command",
    "Connectivity",
    "ConnectivityMode",
    "Event",
    "Failed",
    "Feature",
    "Floats",
    "GradientFlow",
    "GradientView",
    "History",
    "Integers",
    "Link",
    "MomentRecorded",
    "Notice",
    "Pause",
    "Resume",
    "RollBack",
    "RunInfo",
    "Rung",
    "Sample",
    "SampleFinished",
    "Save",
    "Saved",
    "SetLearningRate",
    "SetSampling",
    "SetView",
    "Snapshot",
    "State",
    "StateChanged",
    "StepOnce",
    "Stop",
    "Validated",
    "View",
]


class Link(Protocol):
    """A viewer's end of a run: in this process, in another one, or a finished run on disk.

    None of the methods blocks; the screen calls them from its timer.
    """

    @property
    def info(self) -> RunInfo: ...

    def take(self) -> Snapshot | None:
        """The newest snapshot, or None if it was taken already."""

    def events(self) -> list[Event]:
        """Everything that happened since the last call, in order."""

    def send(self, command: Command) -> None:
        """Have a command applied before the next step."""

    def close(self) -> None:
        """Leave. The run goes on unless this viewer's process owns it."""
