"""What several probes need: the network in float64, and arrays that nobody changes after they are handed out."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.model import Model

Kept = TypeVar("Kept", bound=NDArray[Any])


def in_double(model: Model) -> Model:
    """The same network in float64."""
    return model if model.parameters.flat.dtype == np.float64 else Model(model.parameters.astype(np.float64))


def frozen(array: Kept) -> Kept:
    """The array itself, made read-only."""
    array.flags.writeable = False
    return array
