"""Who takes part in the benchmark, and what each needs to be installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec

from engine.bench.workload import Workload
from engine.errors import UserError

# Prepares a workload with so many threads; what it returns does the work once and gives back a number
# that all contenders should agree on: the loss, for example.
Task = Callable[[Workload, int], Callable[[], float]]


@dataclass(frozen=True, slots=True)
class Contender:
    """`module` has one function of type `Task` for each thing it can do; `package` must be installed for it."""

    name: str
    module: str
    package: str = "numpy"
    same_model: bool = True  # its loss is to agree with the others'

    def task(self, name: str) -> Task:
        """The function for a task, as `training`."""
        task: Task = getattr(importlib.import_module(self.module), name)
        return task

    def missing(self) -> str:
        """Why it cannot take part; empty if it can."""
        return "" if find_spec(self.package) else f"{self.package} is not installed"

    def versions(self) -> dict[str, str]:
        """The version of what it computes with."""
        return {self.package: version(self.package)}


OURS = Contender("charrnn-tui", "engine.bench.numpy_contender")
RIVALS = {
    "torch": Contender("torch", "engine.bench.torch_contender", "torch"),
    "jax": Contender("jax", "engine.bench.jax_contender", "jax"),
    "min-char-rnn": Contender("min-char-rnn", "engine.bench.textbook", same_model=False),
}
CONTENDERS = {OURS.name: OURS, **RIVALS}


def rivals(names: Sequence[str]) -> list[Contender]:
    """The contenders of these names; `UserError` for a name that nobody has."""
    for name in names:
        if name not in RIVALS:
            raise UserError(f"--against: {name!r} is none of {', '.join(RIVALS)}")
    return [RIVALS[name] for name in dict.fromkeys(names)]
