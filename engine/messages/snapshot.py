"""What a run is, and how it is just now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from engine.messages.instruments import Cells, Connectivity, Floats, GradientFlow, Integers, Sample

State = Literal["starting", "training", "paused", "finished", "stopped", "diverged", "failed", "crashed"]


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
