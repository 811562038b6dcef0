"""How much memory a network needs.

This is checked before the arrays are made: the system grants more memory than it has, and kills the process later.
"""

from __future__ import annotations

import os
from dataclasses import replace

from engine.config import Config
from engine.errors import ConfigError, UserError
from engine.network.cells.cell import cell_of
from engine.network.parameters import Parameters
from engine.training.optimizers import OPTIMIZERS

FLOAT = 4  # bytes
SIZES = ("layers", "hidden", "embedding", "batch", "seq")  # the settings that decide how much memory is needed
COPIES = 3  # of the parameters in each process, at least: the gradient, and the matrices of both passes


def parameter_count(config: Config, vocabulary_size: int) -> int:
    """P, the number of parameters of the network that `config` asks for over V = `vocabulary_size` characters."""
    architecture = config.architecture(vocabulary_size)
    # Layers above the first all have the same size; their number may be too large to list them all.
    one, two = (Parameters.size(replace(architecture, layers=layers)) for layers in (1, 2))
    return one + (config.layers - 1) * (two - one)


def needed(config: Config, vocabulary_size: int) -> int:
    """Bytes that all processes together need at least, for copies of the parameters and the activations of a window."""
    architecture = config.architecture(vocabulary_size)
    parameters = parameter_count(config, vocabulary_size)
    cell = cell_of(config.cell)
    hidden = config.hidden
    inputs = 0 if architecture.folded else architecture.embedding_size
    if config.dropout:
        inputs += 2 * hidden * (config.layers - 1)  # dropout masks, and the inputs after dropout
    per_character = inputs + (config.layers * (1 + cell.tape_floats) + 1 + cell.delta_floats) * hidden + vocabulary_size
    copies = 1 + len(OPTIMIZERS[config.optimizer].slot_names) + COPIES * max(1, config.workers)
    return FLOAT * (copies * parameters + config.seq * config.batch * per_character)


def require(config: Config, vocabulary_size: int) -> None:
    """Raise `ConfigError` if this machine has less memory than training with `config` needs (see `needed`)."""
    there = _there()
    wanted = needed(config, vocabulary_size)
    if wanted > there:
        usual = Config()
        # The error names the setting that is furthest above its default.
        blamed = max(SIZES, key=lambda name: getattr(config, name) / getattr(usual, name))
        others = ", ".join(f"{name} {getattr(config, name)}" for name in SIZES if name != blamed)
        problem = (
            f"{getattr(config, blamed)}, with {others}, needs {wanted / 1e9:,.0f} GB of memory, and this machine has "
            f"{there / 1e9:,.0f} GB; choose smaller numbers"
        )
        raise ConfigError({blamed: problem})


def require_room(wanted: int, what: str) -> None:
    """Raise `UserError` if `wanted` bytes for `what` are more than this machine's memory."""
    there = _there()
    if wanted > there:
        raise UserError(
            f"{what} needs {wanted / 1e9:,.0f} GB of memory, and this machine has {there / 1e9:,.0f} GB; "
            "use a larger machine"
        )


def has_room(config: Config, vocabulary_size: int, workers: list[int]) -> bool:
    """Whether half of this machine's memory is enough for one run with each number in `workers`, all at once."""
    wanted = sum(needed(config.replace(workers=count), vocabulary_size) for count in workers)
    return wanted <= _there() // 2


def _there() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
