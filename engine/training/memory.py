"""How much memory a network needs, checked first: a system grants more than it has, and kills the process later."""

from __future__ import annotations

import math
import os

from engine.config import Config
from engine.errors import UserError
from engine.training.optimizers import OPTIMIZERS
from engine.training.replica import architecture_of

FLOAT = 4  # bytes
COPIES = 3  # of the parameters in each process, at least: gradient, matrices for the forward and the backward pass


def needed(config: Config, vocabulary_size: int) -> int:
    """Bytes that all processes together need at least: copies of the parameters, and all activations of a window."""
    architecture = architecture_of(config, vocabulary_size)
    # Layers above the first all have the same size; their number may be too large to list them all.
    one, two = (_parameters(config.replace(layers=layers, dropout=0.0), vocabulary_size) for layers in (1, 2))
    parameters = one + (config.layers - 1) * (two - one)
    tape, delta = {"rnn": (0, 1), "gru": (5, 0), "lstm": (6, 0)}[config.cell]
    hidden = config.hidden
    inputs = 0 if architecture.folded else architecture.embedding_size
    if config.dropout:
        inputs += 2 * hidden * (config.layers - 1)  # masks, and what they leave
    per_character = inputs + (config.layers * (1 + tape) + 1 + delta) * hidden + vocabulary_size
    copies = 1 + len(OPTIMIZERS[config.optimizer].slot_names) + COPIES * max(1, config.workers)
    return FLOAT * (copies * parameters + config.seq * config.batch * per_character)


def _parameters(config: Config, vocabulary_size: int) -> int:
    return sum(math.prod(shape) for shape in architecture_of(config, vocabulary_size).shapes().values())


def require(config: Config, vocabulary_size: int) -> None:
    """`UserError` where this machine does not have so much."""
    there = _there()
    wanted = needed(config, vocabulary_size)
    if wanted > there:
        raise UserError(
            f"--layers {config.layers}, --hidden {config.hidden}, --batch {config.batch}, --seq {config.seq}: need "
            f"{wanted / 1e9:,.0f} GB of memory, and this machine has {there / 1e9:,.0f} GB; choose smaller ones"
        )


def has_room(config: Config, vocabulary_size: int, workers: list[int]) -> bool:
    """Whether half of this machine's memory is enough for several runs at once, each with one number of `workers`."""
    wanted = sum(needed(config.replace(workers=count), vocabulary_size) for count in workers)
    return wanted <= _there() // 2


def _there() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
