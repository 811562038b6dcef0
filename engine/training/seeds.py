"""What the seed of a run decides: the parameters with which training begins, and the masks of dropout."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from engine.config import Config
from engine.network.parameters import Parameters, initialize
from engine.syntax import parse_init


def first_parameters(config: Config, vocabulary_size: int, dtype: DTypeLike = np.float32) -> Parameters:
    """The parameters with which training begins: the same for the same seed."""
    rng = np.random.Generator(np.random.PCG64(_seeds(config)[0]))
    return initialize(
        config.architecture(vocabulary_size),
        rng,
        dtype,
        init=parse_init(config.init),
        forget_bias=config.forget_bias,
    )


def dropout_generator(config: Config) -> np.random.Generator:
    """The random state that draws the masks of dropout."""
    return np.random.Generator(np.random.PCG64(_seeds(config)[1]))


def _seeds(config: Config) -> list[np.random.SeedSequence]:
    """The seeds of the first parameters and of dropout."""
    return np.random.SeedSequence(config.seed).spawn(2)
