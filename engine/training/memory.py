"""How much memory a network needs.

This is checked before the arrays are made: the system grants more memory than it has, and kills the process later.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath

from engine.config import Config
from engine.errors import ConfigError, UserError
from engine.network.cells.cell import cell_of
from engine.network.parameters import Architecture, Parameters
from engine.training.optimizers import OPTIMIZERS

FLOAT = 4  # bytes
SIZES = ("layers", "hidden", "embedding", "batch", "seq")  # the settings that decide how much memory is needed
GROUPS, MOUNT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
COPIES = 2  # of the parameters in each process, at least: the gradient, and the matrices of the forward pass


def parameter_count(config: Config, vocabulary_size: int) -> int:
    """P, the number of parameters of the network that `config` asks for over V = `vocabulary_size` characters."""
    one, two = _counts(config.cell, vocabulary_size, config.hidden, config.embedding, config.input == "onehot")
    return one + (config.layers - 1) * (two - one)


@lru_cache  # a list of runs asks for thousands
def _counts(cell: str, vocabulary_size: int, hidden: int, embedding: int, onehot: bool) -> tuple[int, int]:
    """The numbers of parameters with one layer and with two.

    Layers above the first all have the same size; their number may be too large to list them all.
    """
    one = Architecture(cell, vocabulary_size, hidden, 1, embedding, onehot)
    return Parameters.size(one), Parameters.size(replace(one, layers=2))


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
    own = COPIES + cell.recurrent  # the backward pass has matrices of its own if there is a W_hh
    copies = 1 + len(OPTIMIZERS[config.optimizer].slot_names) + own * max(1, config.workers)
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
    """Bytes that this process may use: the machine's memory, or less where a limit or a control group says so."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *_of_control_groups()]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return min([*limits, soft] if soft != resource.RLIM_INFINITY else limits)


def _of_control_groups() -> Iterator[int]:
    """The limits of the control groups of this process, versions 1 and 2: containers and batch systems set them.

    A line of /proc/self/cgroup is `ID:controllers:/path`; version 2 has no controllers.
    """
    with contextlib.suppress(OSError, ValueError):
        for line in GROUPS.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers not in ("", "memory"):
                continue
            root, name = (MOUNT / "memory", "memory.limit_in_bytes") if controllers else (MOUNT, "memory.max")
            inside = PurePosixPath(path.lstrip("/"))
            for group in (inside, *inside.parents):  # each group's limit holds for those in it
                with contextlib.suppress(OSError, ValueError):  # "max" is no limit
                    yield int((root / group / name).read_text())
