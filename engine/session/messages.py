"""What a run and its viewers say to each other: plain frozen dataclasses, arrays copied and read-only.

Out of a run come `RunInfo` (once), `Snapshot` (the latest state, may be skipped) and events
(every one arrives). Into it go commands. All of them hold only numbers, strings, tuples, NumPy
arrays and each other, so that they can cross a socket (`engine.remote.codec`) as they cross a thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from engine.network.cells.cell import cell_of
from engine.probes.results import (
    Candidate,
    Cells,
    Connectivity,
    ConnectivityMode,
    Feature,
    GradientFlow,
    GradientView,
    Sample,
)
from engine.runs.history import History
from engine.runs.record import RunInfo, State
from engine.text.counting import Rung

__all__ = [
    "ALIVE",
    "INSTRUMENTS",
    "LONGEST_PROMPT",
    "OVER",
    "Candidate",
    "Cells",
    "Clamp",
    "Command",
    "Connectivity",
    "ConnectivityMode",
    "Event",
    "Failed",
    "Feature",
    "GradientFlow",
    "GradientView",
    "History",
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
    "cell_of",
]

ALIVE: tuple[State, ...] = ("starting", "training", "paused")  # what can still be stopped
OVER: tuple[State, ...] = ("finished", "stopped", "failed", "crashed")  # what nothing can change

# --- commands: applied between two steps ---

# Instruments a viewer may have on its screen; what nobody shows is not computed.
INSTRUMENTS = ("samples", "gradients", "connectivity", "cells")

# Characters. The time for an answer grows with the square: with a GRU of 128 units 1 s for 500, 4 s for 1,000, and
# the training waits for it. The answer has a number for every pair of characters: 2 MB for 500, 8 MB for 1,000.
LONGEST_PROMPT = 500


@dataclass(frozen=True, slots=True)
class Pause:
    pass


@dataclass(frozen=True, slots=True)
class Resume:
    pass


@dataclass(frozen=True, slots=True)
class StepOnce:
    pass


@dataclass(frozen=True, slots=True)
class SetLearningRate:
    lr: float  # the base rate; a schedule still multiplies it


@dataclass(frozen=True, slots=True)
class SetSampling:
    temperature: float = 0.8  # 0 is greedy
    top_k: int = 0  # 0: all
    top_p: float = 1.0
    prompt: str = ""
    length: int = 400


@dataclass(frozen=True, slots=True)
class View:
    """Which instruments a viewer shows, and how. Sent whole each time one of these changes."""

    visible: tuple[str, ...] = INSTRUMENTS
    prompt: str = ""
    position: int = -1  # the caret in the prompt; -1 is its end
    mode: ConnectivityMode = "logit"
    candidate: str = ""  # ask about this character at `position`, not the actual or most probable one
    occlusion: bool = False  # check the picture at `position` by replacing characters
    moment: int | None = None  # answer with the weights kept at this step; None is now
    gradient_view: GradientView = "single"
    gradient_layer: int = 0
    gradient_state: Literal["h", "c"] = "h"
    cells_layer: int = 0
    cells_kind: str = "h"
    cells_sort: str = "index"  # "index", "variance" or a feature's name


@dataclass(frozen=True, slots=True)
class SetView:
    view: View


@dataclass(frozen=True, slots=True)
class Clamp:
    """Hold unit `unit` of layer `layer` at `value` in samples, cells, and a validation of its own; None frees it."""

    layer: int
    unit: int
    value: float | None


@dataclass(frozen=True, slots=True)
class RollBack:
    """Go back to the last good weights, with the learning rate multiplied by `lr_factor`, and go on."""

    lr_factor: float = 0.5


@dataclass(frozen=True, slots=True)
class Save:
    pass


@dataclass(frozen=True, slots=True)
class Stop:
    save: bool = True


Command = Pause | Resume | StepOnce | SetLearningRate | SetSampling | SetView | Clamp | RollBack | Save | Stop


# --- events: every one arrives ---


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


# --- snapshots: the latest one counts ---


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a run, as one viewer asked to see it. Losses in nats per character."""

    state: State
    reason: str  # why it is in this state, where that needs saying
    step: int
    steps: int | None  # where it will end, if anywhere
    epoch: float
    loss: float
    smoothed: float
    val_loss: float | None
    best_val_loss: float | None
    lr: float  # of the next step: the base rate times the schedule's factor
    base_lr: float
    grad_norm: float
    chars_per_second: float
    seconds: float  # of training, pauses not counted
    history: History
    warning: str = ""  # stays until its cause is gone, as "disk full: …"
    sample: Sample | None = None
    gradients: GradientFlow | None = None
    connectivity: Connectivity | None = None
    cells: Cells | None = None
    probe_share: float = 0.0  # share of the time spent on instruments
    live: bool = True  # a process has the run and obeys commands

    @property
    def is_over(self) -> bool:
        """Whether the run has come to an end that nothing can change; a divergence can, while its process lives."""
        return self.state in OVER or not self.live


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
