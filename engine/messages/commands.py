"""What a run is told to do. Commands are applied between two steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.messages.instruments import ConnectivityMode, GradientView

# Instruments a viewer may have on its screen; what nobody shows is not computed.
INSTRUMENTS = ("samples", "gradients", "connectivity", "cells")


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
