"""Commands go into a run, which obeys them between two steps.

A viewer sees the run a little late, and there may be other viewers. So a command says what changes, never what the
viewer believes to hold: two viewers that change different settings do not undo each other's work.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.session.messages.view import View


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """How samples are drawn. They belong to the run: all its viewers see the same, and a checkpoint holds them."""

    temperature: float = 0.8  # 0 is greedy
    top_k: int = 0  # 0: all
    top_p: float = 1.0
    prompt: str = ""  # what a sample begins with
    length: int = 400  # characters


@dataclass(frozen=True, slots=True)
class Pause:
    pass


@dataclass(frozen=True, slots=True)
class Resume:
    pass


@dataclass(frozen=True, slots=True)
class StepOnce:
    """Make one step; a run that trains is paused first."""


@dataclass(frozen=True, slots=True)
class ScaleLearningRate:
    """Multiply the base learning rate; a schedule still multiplies the result."""

    factor: float


@dataclass(frozen=True, slots=True)
class SetSampling:
    """Change some of the sampling settings; those that are None stay as they are."""

    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    prompt: str | None = None
    length: int | None = None


@dataclass(frozen=True, slots=True)
class ShiftSampling:
    """Move sampling settings from where they are."""

    temperature: float = 0.0  # is added; the temperature does not fall below 0
    top_k: int = 0  # places along the usual values (`sample_stream.TOP_KS`); negative is fewer candidates
    top_p: int = 0  # places along the usual values (`sample_stream.TOP_PS`); negative is a smaller share


@dataclass(frozen=True, slots=True)
class SampleAgain:
    """Begin another sample with the settings that hold."""


@dataclass(frozen=True, slots=True)
class SetView:
    view: View


@dataclass(frozen=True, slots=True)
class Clamp:
    """Hold a unit at `value`, or free it (None), in samples, in cells and in a validation of its own."""

    layer: int
    unit: int
    value: float | None


@dataclass(frozen=True, slots=True)
class RollBack:
    """Go back to the last good weights, with the learning rate multiplied by `lr_factor`, and go on."""

    lr_factor: float = 0.5


@dataclass(frozen=True, slots=True)
class MarkMoment:
    """Keep the present weights as a moment that stays as long as the run."""


@dataclass(frozen=True, slots=True)
class Save:
    pass


@dataclass(frozen=True, slots=True)
class Stop:
    save: bool = True


Command = (
    Pause
    | Resume
    | StepOnce
    | ScaleLearningRate
    | SetSampling
    | ShiftSampling
    | SampleAgain
    | SetView
    | Clamp
    | RollBack
    | MarkMoment
    | Save
    | Stop
)
