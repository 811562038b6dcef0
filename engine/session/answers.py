"""Everything that a session does for those who look: instruments, samples, clamped units, kept moments."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from engine.arrays import Codes
from engine.network.cells.layer import Clamps
from engine.network.model import Model
from engine.network.parameters import Parameters
from engine.probes.reach import reach, windows
from engine.probes.results import Cells, Connectivity, GradientFlow
from engine.session.instruments import Instruments
from engine.session.messages import Clamp, View
from engine.session.sample_stream import SampleStream
from engine.training.trainer import Trainer

REACH_LENGTH = 101  # characters: positions rest on the 100 before them
REACH_WINDOWS = 32


class Answers:
    """Looks at a model between two steps; changes nothing of its training.

    `load_moment` gives the weights that were kept at a step, or None where there are none.
    """

    def __init__(
        self,
        model: Model,
        held_out: Codes,
        instruments: Instruments,
        samples: SampleStream,
        load_moment: Callable[[int], Parameters | None],
    ) -> None:
        self.model, self.instruments, self.samples = model, instruments, samples
        self._load_moment = load_moment
        self._kept: tuple[int, Instruments] | None = None
        self._reach_windows = windows(held_out, REACH_LENGTH, REACH_WINDOWS)
        self._clamps: dict[int, dict[int, float]] = {}
        self._clamp_effect = math.nan

    @property
    def share(self) -> float:
        """Share of the time that the instruments took."""
        return self.instruments.share

    def moment(self, step: int) -> GradientFlow:
        """The gradient flow to be kept for the history."""
        return self.instruments.moment(step)

    def reach(self) -> float:
        """How far back predictions reach, in characters, over held-out text."""
        return reach(self.model, self._reach_windows)

    def answer(
        self, view: View, step: int, *, urgent: bool
    ) -> tuple[GradientFlow | None, Connectivity | None, Cells | None]:
        """What a viewer wants to see; the last known answer where the share of time allows no new one."""
        gradients, connectivity, cells = self.instruments.answer(view, step, urgent)
        if view.moment is not None and connectivity is not None:
            connectivity = self._at_moment(view, view.moment) or connectivity
        if cells is not None and cells.clamped:
            cells = dataclasses.replace(cells, clamp_effect=self._clamp_effect)
        return gradients, connectivity, cells

    def _at_moment(self, view: View, step: int) -> Connectivity | None:
        if self._kept is None or self._kept[0] != step:
            parameters = self._load_moment(step)
            if parameters is None:
                return None
            self._kept = step, self.instruments.of_model(Model(parameters))
        only = dataclasses.replace(view, visible=("connectivity",))
        return self._kept[1].answer(only, step, urgent=True)[1]

    def forget(self) -> None:
        """The run has gone back: what is known of the weights of a step belongs to others."""
        self._kept = None
        self.instruments.forget()

    def clamp(self, command: Clamp, trainer: Trainer) -> None:
        """Hold or free a unit in samples, and measure what that does to the validation loss."""
        architecture = self.model.architecture
        if not (0 <= command.layer < architecture.layers and 0 <= command.unit < architecture.hidden_size):
            return
        units = self._clamps.setdefault(command.layer, {})
        if command.value is None:
            units.pop(command.unit, None)
        else:
            units[command.unit] = command.value
        clamps: dict[int, Clamps] = {layer: tuple(held.items()) for layer, held in self._clamps.items() if held}
        self.samples.sampler.clamps = self.instruments.clamps = clamps
        if clamps:
            self.measure_clamps(trainer, trainer.validate())

    def measure_clamps(self, trainer: Trainer, free: float | None) -> None:
        """What all held units together do to the validation loss, which is `free` without that; nan if unknown."""
        clamps = self.instruments.clamps
        held = trainer.validate(clamps) if clamps else None
        self._clamp_effect = math.nan if free is None or held is None else held - free
