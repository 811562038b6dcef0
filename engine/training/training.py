"""What a run needs of whatever trains its network: this program's `Trainer`, or a training loop of somebody else's.

`train` is a generator that makes one step for each `next`: a caller that does not call `next` pauses the training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from engine.arrays import Array, Codes
from engine.config import Config
from engine.network.cells.layer import Clamps
from engine.network.model import Model
from engine.network.parameters import Parameters
from engine.text.stretches import StretchLosses


class Window(NamedTuple):
    """What one sequence of a batch reads in one training step."""

    inputs: Codes  # (T,)
    targets: Codes  # (T,)
    state: tuple[tuple[Array, ...], ...] | None  # for each layer (h,) or (h, c), (1, H) each, before it; None is zero


@dataclass(frozen=True, slots=True)
class Step:
    """What one training step did."""

    step: int  # steps done so far, this one included
    epoch: float  # how many times the training text has been read, with fractions
    loss: float  # mean over the window, nats per character
    grad_norm: float  # before clipping
    lr: float  # the learning rate of this step
    clipped: bool = False  # whether clipping changed the gradient


class Training(Protocol):
    """One network that is being trained; `Trainer` explains what it shares with that class."""

    lr: float  # the base learning rate; to set it changes the training

    @property
    def config(self) -> Config: ...
    @property
    def parameters(self) -> Parameters: ...
    @property
    def model(self) -> Model: ...
    @property
    def steps(self) -> int: ...
    @property
    def epoch(self) -> float: ...
    @property
    def next_lr(self) -> float: ...
    @property
    def windows_per_epoch(self) -> int: ...
    @property
    def validated(self) -> int: ...
    @property
    def is_clipping(self) -> bool: ...
    @property
    def is_finite(self) -> bool: ...
    @property
    def has_finite_weights(self) -> bool: ...
    @property
    def refusal(self) -> str: ...
    @property
    def slowdown(self) -> str: ...
    @property
    def worker_pids(self) -> list[int]: ...
    @property
    def next_window(self) -> Callable[[int], Window] | None: ...
    @property
    def is_ours(self) -> bool:
        """Whether this program makes the steps: then it may measure when it likes."""
        ...

    @property
    def restore(self) -> Callable[[dict[str, Array], dict[str, Any]], None] | None:
        """Goes back to what `state` has returned; None where somebody else's loop goes on as it does."""
        ...

    @property
    def has_step(self) -> bool:
        """Whether somebody else's loop has made a step that `step` has not returned yet: it counts also in a pause."""
        ...

    def show(self) -> None:
        """Have `parameters` and `model` hold the present weights."""

    def step(self) -> Step: ...
    def validate(self, clamps: dict[int, Clamps] | None = None) -> StretchLosses | None: ...
    def training_loss(self) -> float: ...
    def state(self) -> tuple[dict[str, Array], dict[str, Any]]: ...
    def refresh(self) -> None: ...
    def wake(self) -> None: ...
    def close(self) -> None: ...


def train(trainer: Training, steps: int | None = None) -> Iterator[Step]:
    """Train until the run has `steps` steps, those before a resume included, or without end; yields each step."""
    while steps is None or trainer.steps < steps:
        yield trainer.step()
