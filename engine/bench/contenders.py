"""The contenders of the benchmark, and the package that each needs."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from engine.bench.workload import Workload
from engine.errors import ConfigError

# A function of a workload and a number of threads. It prepares the work and returns a function that does it once and
# returns a number on which all contenders should agree, such as the loss.
Task = Callable[[Workload, int], Callable[[], float]]
# The task whose prepared function takes a number of training steps. It makes them, and returns their seconds and the
# loss after them on the held-out text, nats per character.
LEARNING = "learning"


@dataclass(frozen=True, slots=True)
class Contender:
    """A contender: `module` has a function of type `Task` for each thing that it can do, and needs `package`."""

    name: str
    module: str
    package: str = "numpy"
    same_model: bool = True  # whether its loss should agree with the others'

    def task(self, name: str) -> Task:
        """The function for the task `name`, such as `training`."""
        task: Task = getattr(importlib.import_module(self.module), name)
        return task

    def missing(self) -> str:
        """Why the contender cannot take part; empty if it can."""
        return "" if find_spec(self.package) else f"{self.package} is not installed"


OURS = Contender("charrnn-tui", "engine.bench.numpy_contender")
RIVALS = {
    "torch": Contender("torch", "engine.bench.torch_contender", "torch"),
    "jax": Contender("jax", "engine.bench.jax_contender", "jax"),
    "min-char-rnn": Contender("min-char-rnn", "engine.bench.textbook", same_model=False),
}
CONTENDERS = {OURS.name: OURS, **RIVALS}


def rivals(names: Sequence[str]) -> list[Contender]:
    """The rivals of these `names`; `ConfigError` for a name that none of them has."""
    for name in names:
        if name not in RIVALS:
            raise ConfigError({"against": f"{name!r} is none of {', '.join(RIVALS)}"})
    return [RIVALS[name] for name in dict.fromkeys(names)]
