"""What a run and its viewers say to each other: plain frozen dataclasses, arrays copied and read-only.

Out of a run come `RunInfo` (once), `Snapshot` (the latest state, may be skipped) and events
(every one arrives). Into it go commands. All of them hold only numbers, strings, tuples, NumPy
arrays and each other, so that they can cross a socket (`engine.wire`) as they cross a thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]

State = Literal["starting", "training", "paused", "finished", "stopped", "diverged", "failed", "crashed"]
GradientView = Literal["single", "training", "triangle"]
ConnectivityMode = Literal["logit", "squared", "loss"]

# Instruments a viewer may have on its screen; what nobody shows is not computed.
INSTRUMENTS = ("samples", "gradients", "connectivity", "cells")


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the k-gram ladder: what a k-gram model reaches on the validation text, nats per character."""

    k: int
    loss: float


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What does not change while a run goes on."""

    name: str
    directory: str
    config: dict[str, Any]  # Config.to_json()
    vocabulary: tuple[str, ...]  # in index order
    text_name: str
    text_length: int  # characters, training and validation together
    parameters: int
    threads: int  # of the BLAS
    ladder: tuple[Rung, ...] = ()
    entropy: float | None = None  # nats per character, where it is known exactly
    detached: bool = False  # it outlives the viewer


@dataclass(frozen=True, slots=True)
class History:
    """The curves: recent points in full, older ones decimated, so its size is bounded.

    `loss` and `smoothed` hold the mean over the steps a point stands for. All arrays of one
    group have the same length. Losses are nats per character, times seconds of training.
    """

    step: Integers
    epoch: Floats
    seconds: Floats
    loss: Floats
    smoothed: Floats
    val_step: Integers
    val_epoch: Floats
    val_seconds: Floats
    val_loss: Floats
    reach_step: Integers
    reach: Floats  # characters


@dataclass(frozen=True, slots=True)
class Sample:
    """Generated text. `probability[i]` is the model's own for character i, at the sampling settings."""

    step: int
    val_loss: float | None
    temperature: float
    text: str
    probability: Floats
    complete: bool = False
    word_share: float | None = None  # share of its words that occur in the training text
    repeats: bool = False  # it goes round in a loop
    illegal: int | None = None  # illegal brackets, on the brackets language only
    prompt: str = ""  # what it was primed with; not part of `text`


@dataclass(frozen=True, slots=True)
class GradientFlow:
    """The back-propagated gradient at every time step of one layer, t = 0 first (design: gradient flow)."""

    step: int
    view: GradientView
    layer: int
    state: Literal["h", "c"]
    edges: Floats  # bins + 1 edges; the outermost two are -inf and inf: the overflow bins
    counts: Integers  # (T, bins); every row sums to B·H
    norms: Floats  # (T,): ‖G_t‖ (float64)
    triangle: Floats | None = None  # (T, T): [s, t] = ‖∂ℓ_s/∂h_t‖, zero for t > s; view "triangle" only
    sigma: dict[str, float] = field(default_factory=dict)  # largest singular value of each gate's block of W_hh
    rho: dict[str, float] = field(default_factory=dict)  # its spectral radius


@dataclass(frozen=True, slots=True)
class Candidate:
    char: str
    probability: float


@dataclass(frozen=True, slots=True)
class Connectivity:
    """What each prediction over a prompt rests on (design: connectivity). S characters in `prompt`."""

    step: int
    prompt: str  # the known characters only
    skipped: str  # characters of what was typed that the vocabulary does not have
    mode: ConnectivityMode
    matrix: Floats  # (S, S): [s, t] = C(t, s, k), not normalised; zero for t > s
    targets: tuple[str, ...]  # (S,) the character k asked about after step s
    target_kind: tuple[str, ...]  # (S,) "actual", "probable" or "picked"
    candidates: tuple[tuple[Candidate, ...], ...]  # (S,) the most probable next characters
    reach: float  # connectivity-weighted mean distance s - t at the last position
    focus: int = -1  # the position that `occlusion` is about
    occlusion: Floats | None = None  # (S,): mean |change of the logit| when character t is replaced
    rank_correlation: float | None = None  # Spearman, of matrix[focus] and occlusion


@dataclass(frozen=True, slots=True)
class Feature:
    """How well a unit follows a named feature of the text: their correlation, over held-out text."""

    name: str
    unit: int
    correlation: float


@dataclass(frozen=True, slots=True)
class Cells:
    """Activations of one layer over a text of S characters."""

    step: int
    text: str
    layer: int
    kind: str  # "h", "c" or a gate's name
    values: Floats  # (H, S)
    order: Integers  # (H,) units, as the viewer asked to have them sorted
    score: Floats  # (H,) what they are sorted by, by unit (not by place)
    best: tuple[Feature, ...] = ()  # for each named feature the unit that follows it best
    saturation: dict[str, tuple[float, float]] = field(default_factory=dict)  # gate: share < 0.1, share > 0.9
    depth_accuracy: float | None = None  # linear read-out of the bracket depth from h
    clamped: tuple[tuple[int, float], ...] = ()  # (unit, value) pairs held fixed
    clamp_effect: float | None = None  # change in validation loss by clamping, nats


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


# --- events: every one arrives -------------------------------------------------------------


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


# --- commands: applied between two steps ---------------------------------------------------


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
    """Hold unit `unit` of layer `layer` at `value` in samples and in one validation; None frees it."""

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
